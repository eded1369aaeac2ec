//===- ModelBuilder.h - From a checkpoint to the IR of the import phase -------------*- C++ -*-===//
//
// The one place that says how a decoder of these families is wired. Weights are in the IR by name only; their
// bytes stay in the checkpoint's parameter store.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Import/Import.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace nibble {

/// A module with the attribute `llm.model` (see modelAttribute) and one function:
///
///   func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %cache:
///   !llm.cache<…>)
///       -> tensor<?xVxf32>
///
/// ids and positions are those of the batch's T tokens, rows select the R whose logits are wanted. Loads the
/// dialects that it needs. The module verifies for every checkpoint that openCheckpoint accepts.
mlir::OwningOpRef<mlir::ModuleOp> buildModel(mlir::MLIRContext &context, const Checkpoint &checkpoint);

/// What the manifest says about the model, as a dictionary: architecture, name, layers, hidden, intermediate,
/// heads, kv_heads, head_dim, vocabulary, context, parameters (their number), bos_token_id (where there is
/// one), eos_token_ids, and generation: {temperature, top_k, top_p, min_p, repetition_penalty, do_sample} as
/// far as the checkpoint states them.
mlir::DictionaryAttr modelAttribute(mlir::MLIRContext &context, const Checkpoint &checkpoint);

/// The module attribute's name.
inline constexpr const char *kModelAttribute = "llm.model";

} // namespace nibble
