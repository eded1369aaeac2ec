//===- ManifestJson.h - The manifest's sections out of the IR -----------------------*- C++ -*-===//
//
// ArtifactFormat.h has the keys.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "lib/Pipelines/Driver/WeightSegment.h"
#include "nibble/Codegen/CPU/CompileKernels.h"
#include "nibble/Quantize/PrecisionPlan.h"

#include <nlohmann/json.hpp>

namespace nibble {

/// "model", "generation" of a module that has the attribute llm.model; `context` is the run-time default.
Result<nlohmann::json> modelJson(mlir::ModuleOp module, std::optional<int64_t> context);

/// "tensors".
nlohmann::json tensorsJson(const WeightSegment &segment, const PrecisionPlan &plan);

/// One of "variants".
Result<nlohmann::json> variantJson(rt::ProgramOp program, const WeightSegment &weights,
                                   const CompiledImage &image, uint32_t codeSegment);

} // namespace nibble
