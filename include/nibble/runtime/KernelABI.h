//===- KernelABI.h - The C contract between compiled kernels and the runtime --------*- C++ -*-===//
//
// The one header whose structs generated code reads. lib/Codegen computes field offsets from the list in
// NIBBLE_BATCH_FIELDS, so the struct and the code cannot drift apart.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstddef>
#include <cstdint>

namespace nibble {

/// Raised whenever NibbleBatch, a kernel's signature, or the meaning of an operand changes.
inline constexpr uint32_t kKernelABIVersion = 2;

/// Positions in a page of the KV cache. K lies as [layer][page][kv_head][head_dim][slot], so that a vector
/// holds one element of many positions and their scores need no sum across lanes; V as
/// [layer][page][kv_head][slot][head_dim]. An int8 cache has, behind the codes of each page and head, one f32
/// scale for each slot.
inline constexpr uint32_t kPageSize = 32;

/// Attention reduces in blocks of this many positions, counted from position 0, whatever the batch.
inline constexpr uint32_t kAttentionBlock = 64;

/// Row-wise work of at most this many tokens is done by every worker for itself (a private entry of the
/// schedule).
inline constexpr uint32_t kPrivateTokens = 16;

} // namespace nibble

extern "C" {

/// The ragged batch of one step. Rows of a sequence are contiguous and in ascending position. The arrays live
/// in the engine for as long as the step runs; kernels read them only.
struct NibbleBatch {
  uint32_t version;    // kKernelABIVersion
  uint32_t tokens;     // T
  uint32_t sequences;  // S
  uint32_t logitsRows; // R: rows whose logits are computed
  uint32_t pageStride; // entries in one row of pageTable
  uint32_t pageCount;  // pages in the cache
  uint32_t workers;    // threads that share the step: decides where work runs, never what it computes
  uint32_t reserved;
  const int32_t *tokenId;     // [T]
  const int32_t *position;    // [T]
  const uint32_t *queryStart; // [S + 1]: sequence s owns rows queryStart[s] .. queryStart[s + 1] - 1
  const uint32_t *kvLength;   // [S]: positions of s in the cache once this step has stored its own
  const uint32_t *pageTable;  // [S][pageStride]: page of positions 32 i .. 32 i + 31
  const uint32_t *logitsRow;  // [R]: row of the batch, ascending
};

/// Runs items begin .. end - 1 of a dispatch. `operands` are the inputs, then the outputs, of the rt.kernel;
/// an operand of type !llm.cache takes two entries, the K and the V of its layer. `scratch` is the worker's
/// own memory of the size that the manifest states for the kernel, 64-byte aligned.
typedef void NibbleKernel(const NibbleBatch *batch, void *const *operands, uint32_t begin, uint32_t end,
                          void *scratch);

/// The number of items that a batch makes of a dispatch.
typedef uint32_t NibbleKernelItems(const NibbleBatch *batch);
}
