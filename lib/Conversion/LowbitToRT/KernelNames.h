//===- KernelNames.h - Names that say what a kernel does ----------------------------*- C++ -*-===//
//
// For people: profiles, reports, `nibble-inspect --asm`. Two kernels of one name get a number from the
// caller.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "dialects/RT/RT.h"

#include <string>

namespace nibble {

/// `linear_384x128_int4-g32_int8_residual`, `rows_norm_128_int8`, `embed_2048x128_int8-g32`,
/// `attention_8x16_kv4`. `op` is the op that the kernel is made for.
std::string kernelName(mlir::Operation *op);

/// The label of a dispatch and its result: the weight's name without ".weight" for a linear, `head` for
/// that of the logits, `attention.3` for attention (with ".store" and ".merge" for what comes before and
/// behind), the first reader's with ".input" for rows.
std::string dispatchLabel(mlir::Operation *op);

} // namespace nibble
