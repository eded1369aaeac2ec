//===- Emulator.h - Runs kernels for another CPU in a test --------------------------*- C++ -*-===//
//
// qemu's user mode runs a small program for that CPU (KernelRunner.cpp), which maps the image of kernels and
// the memory of SharedMemory.h, and calls what it is told to call through a pipe.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "KernelCall.h"

#include "nibble/Codegen/CPU/Target.h"

#include <string>
#include <vector>

namespace nibble::test {

class Emulator {
public:
  /// Why kernels for the target cannot be emulated on this machine; empty if they can.
  static std::string obstacle(const CPUTarget &target);

  /// Starts a CPU that has just what the target needs; a failure fails the test.
  Emulator(const CPUTarget &target, const std::vector<char> &image);
  ~Emulator();
  Emulator(const Emulator &) = delete;

  /// The CPU's features as the runtime names them.
  const std::vector<std::string> &features() const { return names; }
  /// All pointers are into shared memory. A failure fails the test.
  void call(const KernelCall &call);

private:
  int process = -1, toProcess = -1, fromProcess = -1;
  std::vector<std::string> names;
};

} // namespace nibble::test
