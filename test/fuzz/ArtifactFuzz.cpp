//===- ArtifactFuzz.cpp - Artifacts, opened and planned ---------------------------------------===//
//
// The input is opened as it is, and once more with the footer's place and hash of the manifest made right, so
// that mutations reach the manifest. Code is resolved to addresses and never run: whoever can sign a manifest
// can run code anyway.
//
//===------------------------------------------------------------------------------------------===//

#include "Fuzz.h"
#include "nibble/runtime/ArtifactFormat.h"
#include "nibble/runtime/Engine.h"
#include "runtime/cache/KVCache.h"
#include "runtime/cpu/Program.h"

#include <cstring>
#include <memory>
#include <sys/mman.h>

using namespace nibble;

static constexpr uint32_t kTokens = 16, kRows = 4, kThreads = 2, kPages = 4;
static constexpr uint64_t kMostAddresses = 1ull << 40; // bytes that are reserved for a program

namespace {
/// Addresses without memory.
struct Region {
  std::byte *begin;
  uint64_t size;
  explicit Region(uint64_t bytes) : size(bytes + 1) {
    void *address = ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    fuzz::require(address != MAP_FAILED, "addresses can be reserved");
    begin = static_cast<std::byte *>(address);
  }
  Region(const Region &) = delete;
  Region &operator=(const Region &) = delete;
  ~Region() { ::munmap(begin, size); }
  bool has(const void *address) const { return address >= begin && address <= begin + size; }
};
} // namespace

/// Every operand of a checked manifest lies in the memory that the plan asks for.
static void resolve(const Manifest &manifest, const VariantInfo &variant, CacheType cache) {
  uint64_t arena = arenaBytes(variant.program, kTokens, kRows), worker = workerBytes(variant);
  uint64_t keys = cacheBytes(manifest.model, cache, kPages) / 2;
  uint64_t weights = manifest.segment("weights")->size;
  if (std::max({arena, worker, keys, weights}) > kMostAddresses)
    return;
  Region arenaRegion(arena), workers(worker * kThreads), keyRegion(keys), valueRegion(keys),
      weightRegion(weights);
  ProgramMemory memory{arenaRegion.begin,           workers.begin,   worker,
                       weightRegion.begin,          keyRegion.begin, valueRegion.begin,
                       keys / manifest.model.layers};
  CodeImage image;
  StepTable table = resolveProgram(variant, image, cache, memory, kThreads, kTokens, kRows);
  auto known = [&](const void *address) {
    return arenaRegion.has(address) || workers.has(address) || weightRegion.has(address) ||
           keyRegion.has(address) || valueRegion.has(address);
  };
  for (const auto *row : {&table.sharedOperands, &table.privateOperands, &table.scratch})
    for (const void *address : *row)
      fuzz::require(known(address), "every offset lies in its segment, image, arena or private memory");
  const float *logits = resolveLogits(variant.program, memory, kTokens, kRows);
  uint64_t stride = (manifest.model.vocabulary + 15) / 16 * 16; // elements
  fuzz::require(arenaRegion.has(logits) && arenaRegion.has(logits + kRows * stride),
                "logits lie in the arena");
}

static void open(const std::string &path) {
  auto artifact = Artifact::open(path);
  if (!artifact)
    return;
  (void)artifact->verify();
  EngineOptions options;
  options.threads = kThreads;
  if (auto plan = planMemory(*artifact, options))
    (void)describe(*plan);
  for (const VariantInfo &variant : artifact->manifest().variants)
    for (CacheType cache : artifact->manifest().cacheTypes)
      resolve(artifact->manifest(), variant, cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static fuzz::MemoryFile file;
  std::vector<uint8_t> bytes(data, data + size);
  file.set(bytes);
  open(file.path());

  ArtifactFooter footer;
  if (size < sizeof(footer))
    return 0;
  std::memcpy(&footer, bytes.data() + size - sizeof(footer), sizeof(footer));
  uint64_t end = size - sizeof(footer);
  if (footer.manifestOffset > end)
    return 0;
  footer.manifestSize = end - footer.manifestOffset;
  auto manifest = std::span(bytes).subspan(footer.manifestOffset, footer.manifestSize);
  SHA256Digest hash = SHA256::of(std::as_bytes(manifest));
  std::memcpy(footer.manifestHash, hash.data(), hash.size());
  std::memcpy(bytes.data() + size - sizeof(footer), &footer, sizeof(footer));
  file.set(bytes);
  open(file.path());
  return 0;
}
