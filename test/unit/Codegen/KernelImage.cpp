//===- KernelImage.cpp - Compiles kernels and runs them in a test -----------------------------===//
#include "KernelImage.h"
#include "Emulator.h"
#include "ReplaceInstructions.h"
#include "SharedMemory.h"

#include "nibble/Pipelines/Registration.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <random>
#include <sys/mman.h>

using namespace nibble;
using namespace nibble::test;

/// What kernels of a target that this machine lacks are compiled for.
static constexpr const char *kReplacementTarget = "x86-64-v3";

std::string TestTarget::obstacle() const {
  switch (machine) {
  case Machine::Host:
    return "";
  case Machine::Replaced:
    if (!runsHere(*findCPUTarget(kReplacementTarget)))
      return std::string("this machine runs neither ") + target.name + " nor " + kReplacementTarget;
    return "";
  case Machine::Emulated:
    return Emulator::obstacle(target);
  }
  return "";
}

std::vector<TestTarget> nibble::test::testTargets(llvm::function_ref<bool(const TestTarget &)> wanted) {
  std::vector<TestTarget> result;
  for (const CPUTarget &target : cpuTargets()) {
    if (runsHere(target))
      result.push_back({target, Machine::Host});
    bool isX86 = target.instructions == InstructionSet::X86_64;
    // One replacement is tested everywhere, so that those who need it can rely on it.
    if (!runsHere(target) || target.name == "avx-vnni")
      result.push_back({target, isX86 ? Machine::Replaced : Machine::Emulated});
  }
  if (wanted)
    std::erase_if(result, [&](const TestTarget &target) { return !wanted(target); });
  return result;
}

std::string nibble::test::targetName(const testing::TestParamInfo<TestTarget> &info) {
  std::string name = info.param.target.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name + (info.param.machine == Machine::Replaced ? "_replaced" : "");
}

void TargetTest::SetUp() {
  if (std::string obstacle = GetParam().obstacle(); !obstacle.empty())
    GTEST_SKIP() << obstacle;
}

Result<CompiledImage> nibble::test::compileText(const std::string &text, const CPUTarget &target,
                                                EditModule edit) {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return failure("the test's module does not parse");
  return compileKernels(*module, target, edit);
}

KernelImage::KernelImage(const std::string &text, const TestTarget &target) {
  auto edit = [](llvm::Module &module) { replaceInstructions(module, kReplacementTarget); };
  Result<CompiledImage> compiled =
      compileText(text, target.target, target.machine == Machine::Replaced ? EditModule(edit) : EditModule());
  if (!compiled) {
    ADD_FAILURE() << compiled.error().message;
    return;
  }
  image = *std::move(compiled);
  if (target.machine == Machine::Emulated)
    emulator = std::make_unique<Emulator>(target.target, image.bytes);
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

const CompiledKernel *KernelImage::find(const std::string &name) const {
  for (const CompiledKernel &kernel : image.kernels)
    if (kernel.name == name)
      return &kernel;
  ADD_FAILURE() << "no kernel " << name;
  return nullptr;
}

namespace {

/// A batch and pointers to operands, copied to where an emulated CPU sees them.
struct SharedArguments {
  std::vector<AlignedBytes> copies;

  template <typename T> const T *copy(const T *values, size_t count) {
    if (!values)
      return nullptr;
    copies.emplace_back(std::span(reinterpret_cast<const uint8_t *>(values), count * sizeof(T)));
    return copies.back().as<T>();
  }
  const NibbleBatch *copy(NibbleBatch batch) {
    batch.tokenId = copy(batch.tokenId, batch.tokens);
    batch.position = copy(batch.position, batch.tokens);
    batch.queryStart = copy(batch.queryStart, batch.sequences + 1);
    batch.kvLength = copy(batch.kvLength, batch.sequences);
    batch.pageTable = copy(batch.pageTable, size_t(batch.sequences) * batch.pageStride);
    batch.logitsRow = copy(batch.logitsRow, batch.logitsRows);
    return copy(&batch, 1);
  }
};

} // namespace

void KernelImage::run(const std::string &name, const NibbleBatch &batch, std::span<void *const> operands,
                      uint32_t step) const {
  const CompiledKernel *kernel = find(name);
  if (!kernel)
    return;
  AlignedBytes scratch(kernel->scratch);
  if (emulator) {
    SharedArguments shared;
    const NibbleBatch *sharedBatch = shared.copy(batch);
    void *const *pointers = shared.copy(operands.data(), operands.size());
    emulator->call({kernel->entry, kernel->items, sharedBatch, pointers, scratch.data(), step});
    return;
  }
  uint32_t count = items(name, batch);
  for (uint32_t begin = 0; begin < count; begin += step)
    entry(name)(&batch, operands.data(), begin, std::min(begin + step, count), scratch.data());
}

uint32_t KernelImage::items(const std::string &name, const NibbleBatch &batch) const {
  const CompiledKernel *kernel = find(name);
  return kernel ? reinterpret_cast<NibbleKernelItems *>(code + kernel->items)(&batch) : 0;
}

NibbleKernel *KernelImage::entry(const std::string &name) const {
  const CompiledKernel *kernel = find(name);
  return kernel ? reinterpret_cast<NibbleKernel *>(code + kernel->entry) : nullptr;
}

uint64_t KernelImage::scratchBytes(const std::string &name) const {
  const CompiledKernel *kernel = find(name);
  return kernel ? kernel->scratch : 0;
}

AlignedBytes::AlignedBytes(size_t size) : length(size) {
  memory = static_cast<uint8_t *>(allocateShared(size + 64));
  memset(memory, 0xA5, size + 64);
}
AlignedBytes::AlignedBytes(std::span<const uint8_t> bytes) : AlignedBytes(bytes.size()) {
  memcpy(memory, bytes.data(), bytes.size());
}
AlignedBytes::~AlignedBytes() { freeShared(memory); }

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
           .workers = 1,
           .reserved = 0,
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
