//===- Tensor.h - Codes, scales and values of a weight as .npy files ----------------*- C++ -*-===//
//
// Names and the order of rows are Hugging Face's, whatever the container.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "lib/Inspect/Summary.h"

#include "llvm/Support/raw_ostream.h"

namespace nibble {

/// Which part of a weight, and the type of its elements in the file.
enum class TensorPart : uint8_t {
  Codes,  // [N, K] int8, or uint8 where codes are unsigned (formats with a zero point or a minimum)
  Scales, // [N, groups] float16
  Zeros,  // [N, groups] float16 minima, or uint8 zero points
  Values, // [N, K] or [N] float32
};

/// Writes a part of the weight `name` to `path` as numpy's format 1.0, row by row: memory is that of a few
/// rows.
Result<void> writeTensor(const Input &input, const std::string &name, TensorPart part,
                         const std::string &path);

} // namespace nibble
