//===- KernelImage.h - Compiles kernels and runs them in a test ---------------------*- C++ -*-===//
//
// From the text of a scheduled module to functions that can be called, by the very path that nibble-compile
// takes.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Codegen/CPU/CompileKernels.h"
#include "nibble/runtime/KernelABI.h"

#include <gtest/gtest.h>
#include <memory>
#include <span>

namespace nibble::test {

class Emulator;

/// What runs a target's kernels.
enum class Machine {
  Host,     // this machine, which has what the target needs
  Replaced, // this machine, with functions in place of instructions (ReplaceInstructions.h)
  Emulated, // another CPU's emulator (Emulator.h)
};

/// A target under test.
struct TestTarget {
  CPUTarget target;
  Machine machine;
  /// Why this machine cannot test it; empty if it can.
  std::string obstacle() const;
};

/// All targets that `wanted`: on this machine where it has what they need, else by the means above.
std::vector<TestTarget> testTargets(llvm::function_ref<bool(const TestTarget &)> wanted = {});
/// For names of tests: letters, digits and underscores.
std::string targetName(const testing::TestParamInfo<TestTarget> &info);

/// A test on each of testTargets(), skipped where there is an obstacle.
class TargetTest : public testing::TestWithParam<TestTarget> {
protected:
  void SetUp() override;
};

using EditModule = llvm::function_ref<void(llvm::Module &)>;

/// Compiles the text of a scheduled module, by the very path that nibble-compile takes.
Result<CompiledImage> compileText(const std::string &module, const CPUTarget &target, EditModule edit = {});

class KernelImage {
public:
  /// Compiles the text; a failure fails the test and leaves an image without kernels.
  KernelImage(const std::string &module, const TestTarget &target);
  ~KernelImage();
  KernelImage(const KernelImage &) = delete;

  /// Runs all items of a kernel, in ranges of `step` items, with scratch filled with garbage.
  void run(const std::string &kernel, const NibbleBatch &batch, std::span<void *const> operands,
           uint32_t step = 3) const;
  /// The items that a batch makes of a kernel.
  uint32_t items(const std::string &kernel, const NibbleBatch &batch) const;
  /// The kernel's function, and the scratch that a worker needs for it.
  NibbleKernel *entry(const std::string &kernel) const;
  uint64_t scratchBytes(const std::string &kernel) const;
  bool valid() const { return code != nullptr; }
  /// Of the CPU that runs the kernels, where it is emulated.
  const Emulator *emulatedBy() const { return emulator.get(); }

private:
  const CompiledKernel *find(const std::string &kernel) const;

  CompiledImage image;
  char *code = nullptr;
  std::unique_ptr<Emulator> emulator;
};

/// Memory that kernels read and write (SharedMemory.h), aligned to 64 bytes, filled with a pattern so that
/// nothing relies on zeros. `slack` more bytes behind it.
class AlignedBytes {
public:
  explicit AlignedBytes(size_t size);
  AlignedBytes(std::span<const uint8_t> bytes);
  ~AlignedBytes();
  AlignedBytes(AlignedBytes &&other) : memory(std::exchange(other.memory, nullptr)), length(other.length) {}

  template <typename T> T *as() { return reinterpret_cast<T *>(memory); }
  void *data() { return memory; }
  size_t size() const { return length; }

private:
  uint8_t *memory;
  size_t length;
};

/// A batch of `tokens` rows of one sequence from position 0, every row with logits.
struct OneSequence {
  explicit OneSequence(uint32_t tokens);
  NibbleBatch batch{};
  std::vector<int32_t> ids, positions;
  std::vector<uint32_t> starts, lengths, pages, rows;
};

/// Numbers that depend on the seed alone, roughly normal, in f32.
std::vector<float> randomFloats(size_t count, uint32_t seed, float scale = 1);

} // namespace nibble::test
