//===- AttentionHeads.h - Heads of q and k on their way into attention --------------*- C++ -*-===//
//
// What linears yield becomes, head by head, what attention multiplies: norm of the head, rotation by the
// angles of its row, and, for q, the scale of the scores.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "KernelEmitter.h"

#include "dialects/LLM/LLM.h"

namespace nibble {

/// rotate(rms_norm(argument)), both optional.
struct HeadInput {
  Value source; // block argument: [T, heads * head_dim] f32
  llm::RMSNormOp norm;
  llm::RotateOp rotate;

  /// An error at the kernel and nothing where anything else comes between the argument and `value`.
  static std::optional<HeadInput> trace(rt::KernelOp kernel, Value value);

  /// Head `head` (i64) of row `row` (i64) into `out`, [head_dim] f32, multiplied by `scale`.
  void prepare(KernelBuilder &b, const KernelFrame &frame, rt::KernelOp kernel, int64_t headDim, Value row,
               Value head, Value out, double scale);
};

/// Start of head `head` of row `row` in a matrix of f32 heads.
Value headOf(KernelBuilder &b, const KernelFrame &frame, rt::KernelOp kernel, Value matrix, int64_t headDim,
             Value row, Value head);

} // namespace nibble
