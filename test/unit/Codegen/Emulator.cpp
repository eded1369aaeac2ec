//===- Emulator.cpp - Runs kernels for another CPU in a test ----------------------------------===//
#include "Emulator.h"
#include "SharedMemory.h"

#include "llvm/Support/Program.h"

#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sstream>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace nibble;
using namespace nibble::test;

static constexpr const char *kEmulator = "qemu-aarch64";

/// A CPU that qemu knows with the target's features and no more.
static const char *cpuOf(const CPUTarget &target) {
  if (target.dot == DotProduct::USDot)
    return "max";
  return target.dot == DotProduct::SDot ? "neoverse-n1" : "cortex-a53";
}

std::string Emulator::obstacle(const CPUTarget &target) {
  if (target.instructions != InstructionSet::AArch64)
    return "no emulator of " + target.name;
  if (!llvm::sys::findProgramByName(kEmulator))
    return std::string(kEmulator) + " is not installed (package qemu-user)";
  if (access(NIBBLE_KERNEL_RUNNER, X_OK) != 0)
    return "aarch64-linux-gnu-g++ was not there when the tests were built (package g++-aarch64-linux-gnu)";
  if (sharedFile() < 0)
    return "no memory can be shared with the emulator";
  return "";
}

Emulator::Emulator(const CPUTarget &target, const std::vector<char> &image) {
  int file = memfd_create("kernels", 0), in[2], out[2];
  if (file < 0 || write(file, image.data(), image.size()) != static_cast<ssize_t>(image.size()) ||
      pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
    ADD_FAILURE() << "no file or pipe for the emulator";
    return;
  }
  signal(SIGPIPE, SIG_IGN); // a write to an emulator that has ended fails the test
  std::string program = *llvm::sys::findProgramByName(kEmulator), memory = std::to_string(sharedFile()),
              code = std::to_string(file), size = std::to_string(image.size());
  process = fork();
  if (process == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execl(program.c_str(), kEmulator, "-cpu", cpuOf(target), NIBBLE_KERNEL_RUNNER, memory.c_str(),
          code.c_str(), size.c_str(), nullptr);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  close(file);
  toProcess = in[1];
  fromProcess = out[0];
  std::string line;
  for (char c; read(fromProcess, &c, 1) == 1 && c != '\n';)
    line += c;
  std::istringstream words(line);
  for (std::string word; words >> word;)
    names.push_back(word);
  EXPECT_FALSE(names.empty()) << "the emulator did not start";
}

Emulator::~Emulator() {
  for (int end : {toProcess, fromProcess})
    if (end >= 0)
      close(end);
  if (process > 0)
    waitpid(process, nullptr, 0);
}

void Emulator::call(const KernelCall &call) {
  uint32_t items = 0;
  bool sent = write(toProcess, &call, sizeof call) == sizeof call;
  if (!sent || read(fromProcess, &items, sizeof items) != sizeof items)
    ADD_FAILURE() << "the emulated CPU stopped in a kernel";
}
