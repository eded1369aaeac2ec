//===- Manifest.h - What an artifact says about itself ------------------------------*- C++ -*-===//
//
// The manifest of ArtifactFormat.h as plain structs. Whoever holds a Manifest from parseManifest may rely on
// it: every index is in range, every offset lies in its segment, image, arena or private memory.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include "nibble/runtime/SHA256.h"
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

/// Element type of the KV cache.
enum class CacheType : uint8_t { F32, F16, BF16, Int8 };
inline constexpr size_t kCacheTypes = 4;
std::string_view cacheTypeName(CacheType type);
/// Bytes of one element.
uint32_t cacheTypeSize(CacheType type);
/// Bytes of one position of one head's K (or V): int8 has an f32 scale beside its codes.
uint64_t cacheRowBytes(CacheType type, uint64_t headDim);
/// Knows "f32", "f16", "bf16" and "int8".
Result<CacheType> parseCacheType(std::string_view name);

struct ModelInfo {
  std::string architecture, name;
  uint32_t layers = 0, hidden = 0, heads = 0, kvHeads = 0, headDim = 0;
  uint32_t vocabulary = 0;
  uint32_t context = 0;        // positions that the model was made for
  uint32_t defaultContext = 0; // positions of a sequence unless a run says otherwise
  uint64_t parameters = 0;
  int32_t bosToken = -1; // -1: none
  std::vector<int32_t> eosTokens;
};

/// generation_config's values; what it leaves out has the values here: the model's own distribution.
struct GenerationDefaults {
  bool sample = false; // do_sample
  float temperature = 1;
  uint32_t topK = 0; // all
  float topP = 1, minP = 0, repetitionPenalty = 1;
};

struct SegmentInfo {
  std::string name, target; // target: of a code segment
  uint64_t offset = 0, size = 0;
  SHA256Digest hash{};
};

struct KernelInfo {
  std::string name, family;
  uint64_t entry = 0, items = 0; // offsets of the two functions in the image
  uint64_t scratch = 0;          // bytes that a worker needs
  uint64_t size = 0;             // bytes of code
};

/// Bytes that grow with the engine's budgets: perToken x token budget + perRow x logits row budget + bytes.
struct BudgetSize {
  uint64_t perToken = 0, perRow = 0, bytes = 0;
};

struct OperandInfo {
  enum class Kind : uint8_t { Arena, Private, Weights, Cache };
  Kind kind = Kind::Arena;
  BudgetSize arena;    // Arena; Private in a step that is not private
  uint64_t offset = 0; // Private: in a worker's memory; Weights: in the segment; Cache: the layer
};

enum class BarrierKind : uint8_t { Always, Shared, Never };

struct DispatchInfo {
  std::string name;
  uint32_t kernel[kCacheTypes] = {}; // by CacheType; UINT32_MAX where that type is not offered
  std::vector<OperandInfo> operands;
  bool isPrivate = false;
  BarrierKind barrier = BarrierKind::Always;
};

struct ProgramInfo {
  BudgetSize arena;
  uint64_t privateBytes = 0; // a worker
  std::vector<DispatchInfo> dispatches;
  OperandInfo logits; // Arena
};

struct VariantInfo {
  std::string target;
  std::string tunedFor; // "znver4"; empty where the artifact does not say
  std::vector<std::string> features;
  uint32_t segment = 0;
  std::vector<KernelInfo> kernels;
  ProgramInfo program;
};

struct TensorInfo {
  std::string name, format, layout, activations;
  std::vector<uint64_t> shape;
  uint64_t offset = 0, size = 0; // in the weights segment
};

struct Manifest {
  std::string compiler; // version
  ModelInfo model;
  GenerationDefaults generation;
  std::vector<CacheType> cacheTypes;
  CacheType defaultCache = CacheType::F16;
  std::vector<SegmentInfo> segments;
  std::vector<VariantInfo> variants;
  std::vector<TensorInfo> tensors;
  nlohmann::json plan; // as nibble-compile reads it; null if none

  /// The first segment of that name, or null.
  const SegmentInfo *segment(std::string_view name) const;
};

/// Parses and checks the manifest of an artifact whose segments end before `manifestOffset`. `name` begins
/// messages.
Result<Manifest> parseManifest(std::string_view text, uint64_t manifestOffset, const std::string &name);

} // namespace nibble
