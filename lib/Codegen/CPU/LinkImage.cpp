//===- LinkImage.cpp - A relocatable object to a position-independent image -------------------===//
//
// lld links at address 0 with one segment, so that addresses are file offsets. Kernels address their
// constants relative to the program counter, hence the image runs wherever it is mapped; what could not (an
// absolute address, a symbol from elsewhere, anything writable) is refused here.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Codegen/CPU/CompileKernels.h"

#include "lld/Common/Driver.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

LLD_HAS_DRIVER(elf)

using namespace nibble;

namespace {

/// A file in the system's temporary folder that goes with its scope.
struct TemporaryFile {
  llvm::SmallString<128> path;
  std::error_code error;
  explicit TemporaryFile(llvm::StringRef suffix) {
    error = llvm::sys::fs::createTemporaryFile("nibble", suffix, path);
  }
  ~TemporaryFile() {
    if (!path.empty())
      llvm::sys::fs::remove(path);
  }
};

} // namespace

/// One loadable segment, read and execute, at offset 0 and address 0; no relocation; no dynamic section.
static Result<void> checkImage(llvm::StringRef bytes) {
  auto file = llvm::object::ELF64LEFile::create(bytes);
  if (!file)
    return failure("lld wrote no ELF file: " + llvm::toString(file.takeError()));
  auto headers = file->program_headers();
  if (!headers)
    return failure("lld wrote no program headers: " + llvm::toString(headers.takeError()));
  unsigned loads = 0;
  for (const auto &header : *headers) {
    if (header.p_type != llvm::ELF::PT_LOAD)
      continue;
    if (++loads > 1 || header.p_offset != 0 || header.p_vaddr != 0 || (header.p_flags & llvm::ELF::PF_W))
      return failure("kernels need more than one read-only segment: a kernel has writable or absolute data");
  }
  return {};
}

Result<std::vector<char>> nibble::linkImage(const std::vector<char> &object, InstructionSet instructions) {
  TemporaryFile input("o"), output("so");
  if (input.error || output.error)
    return failure("no temporary file for linking: " + (input.error ? input.error : output.error).message());
  {
    std::error_code error;
    llvm::raw_fd_ostream stream(input.path, error);
    stream.write(object.data(), object.size());
    stream.close();
    if (!error && stream.has_error())
      error = stream.error();
    stream.clear_error(); // an error that nobody has looked at ends the process
    if (error)
      return failure("cannot write the temporary file " + std::string(input.path) + ": " + error.message() +
                     "; TMPDIR names another folder");
  }
  std::string messages;
  llvm::raw_string_ostream errors(messages);
  const char *arguments[] = {"ld.lld",
                             "-m",
                             instructions == InstructionSet::AArch64 ? "aarch64linux" : "elf_x86_64",
                             "-static",
                             "--image-base=0",
                             "--no-rosegment",
                             "-z",
                             "noseparate-code",
                             "-z",
                             "nognustack",
                             "--build-id=none",
                             "-e",
                             "0",
                             "--no-undefined",
                             input.path.c_str(),
                             "-o",
                             output.path.c_str()};
  lld::Result linked = lld::lldMain(arguments, llvm::nulls(), errors, {{lld::Gnu, &lld::elf::link}});
  if (linked.retCode != 0)
    return failure("linking kernels failed: " + messages);
  auto buffer = llvm::MemoryBuffer::getFile(output.path);
  if (!buffer)
    return failure("cannot read " + std::string(output.path) + ": " + buffer.getError().message());
  NIBBLE_CHECK(checkImage((*buffer)->getBuffer()));
  return std::vector<char>((*buffer)->getBufferStart(), (*buffer)->getBufferEnd());
}
