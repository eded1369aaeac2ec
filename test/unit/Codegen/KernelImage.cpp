//===- KernelImage.cpp - Compiles kernels and runs them in a test -----------------------------===//
#include "KernelImage.h"

#include "nibble/Pipelines/Registration.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>
#include <random>
#include <sys/mman.h>

using namespace nibble;
using namespace nibble::test;

KernelImage::KernelImage(const std::string &text, const CPUTarget &target) {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module) {
    ADD_FAILURE() << "the test's module does not parse";
    return;
  }
  Result<CompiledImage> compiled = compileKernels(*module, target);
  if (!compiled) {
    ADD_FAILURE() << compiled.error().message;
    return;
  }
  image = *std::move(compiled);
  void *mapping =
      mmap(nullptr, image.bytes.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) {
    ADD_FAILURE() << "no memory for the image";
    return;
  }
  memcpy(mapping, image.bytes.data(), image.bytes.size());
  EXPECT_EQ(mprotect(mapping, image.bytes.size(), PROT_READ | PROT_EXEC), 0);
  code = static_cast<char *>(mapping);
}

KernelImage::~KernelImage() {
  if (code)
    munmap(code, image.bytes.size());
}

void KernelImage::run(const std::string &name, const NibbleBatch &batch, std::span<void *const> operands,
                      uint32_t step) const {
  for (const CompiledKernel &kernel : image.kernels) {
    if (kernel.name != name)
      continue;
    auto *entry = reinterpret_cast<NibbleKernel *>(code + kernel.entry);
    auto *items = reinterpret_cast<NibbleKernelItems *>(code + kernel.items);
    AlignedBytes scratch(kernel.scratch);
    uint32_t count = items(&batch);
    for (uint32_t begin = 0; begin < count; begin += step)
      entry(&batch, operands.data(), begin, std::min(begin + step, count), scratch.data());
    return;
  }
  ADD_FAILURE() << "no kernel " << name;
}

std::vector<CPUTarget> nibble::test::runnableTargets() {
  std::vector<CPUTarget> result;
  for (const CPUTarget &target : cpuTargets())
    if (runsHere(target))
      result.push_back(target);
  return result;
}

AlignedBytes::AlignedBytes(size_t size) : length(size) {
  memory = static_cast<uint8_t *>(aligned_alloc(64, (size + 64 + 63) / 64 * 64));
  memset(memory, 0xA5, size + 64);
}
AlignedBytes::AlignedBytes(std::span<const uint8_t> bytes) : AlignedBytes(bytes.size()) {
  memcpy(memory, bytes.data(), bytes.size());
}
AlignedBytes::~AlignedBytes() { free(memory); }

OneSequence::OneSequence(uint32_t tokens) : starts{0, tokens}, lengths{tokens} {
  for (uint32_t i = 0; i < tokens; ++i) {
    ids.push_back(0);
    positions.push_back(i);
    rows.push_back(i);
  }
  for (uint32_t i = 0; i * kPageSize < tokens; ++i)
    pages.push_back(i);
  batch = {.version = kKernelABIVersion,
           .tokens = tokens,
           .sequences = 1,
           .logitsRows = tokens,
           .pageStride = static_cast<uint32_t>(pages.size()),
           .pageCount = static_cast<uint32_t>(pages.size()),
           .tokenId = ids.data(),
           .position = positions.data(),
           .queryStart = starts.data(),
           .kvLength = lengths.data(),
           .pageTable = pages.data(),
           .logitsRow = rows.data()};
}

std::vector<float> nibble::test::randomFloats(size_t count, uint32_t seed, float scale) {
  std::mt19937 generator(seed);
  std::vector<float> values(count);
  for (float &value : values) {
    // The sum of twelve uniform numbers, less six: exact in every library.
    double sum = -6;
    for (int i = 0; i < 12; ++i)
      sum += generator() / 4294967296.0;
    value = static_cast<float>(sum * scale);
  }
  return values;
}
