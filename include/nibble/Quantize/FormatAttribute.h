//===- FormatAttribute.h - Between Format and #lowbit.format ------------------------*- C++ -*-===//
//
// The only header of Quantize that knows MLIR, with a library of its own (NibbleFormatAttribute).
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "dialects/Lowbit/Lowbit.h"
#include "nibble/Quantize/PrecisionPlan.h"

namespace nibble {

Format plainFormat(lowbit::FormatAttr format);
lowbit::FormatAttr formatAttribute(mlir::MLIRContext *context, const Format &format);

Activations plainActivations(lowbit::ActivationKind activations);
lowbit::ActivationKind activationKind(Activations activations);

} // namespace nibble
