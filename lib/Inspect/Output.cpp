//===- Output.cpp - Where results go ----------------------------------------------------------===//
#include "lib/Inspect/Output.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"

using namespace nibble;
namespace fs = llvm::sys::fs;

using Write = llvm::function_ref<Result<void>(llvm::raw_ostream &)>;

static tl::unexpected<Error> notWritten(const std::string &name, const std::string &problem) {
  return failure(name + ": cannot be written: " + problem);
}

static Result<void> writeStream(llvm::raw_fd_ostream &stream, const std::string &name, Write write) {
  Result<void> result = write(stream);
  stream.flush();
  if (!stream.has_error())
    return result;
  std::string problem = stream.error().message();
  stream.clear_error(); // or the stream's destructor ends the process
  return notWritten(name, problem);
}

/// A device or a pipe is no file that could be replaced.
static Result<void> writeInto(const std::string &path, Write write) {
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  if (error)
    return notWritten(path, error.message());
  return writeStream(stream, path, write);
}

Result<void> nibble::writeOutput(const std::string &path, Write write) {
  if (path == "-")
    return writeStream(llvm::outs(), "standard output", write);
  fs::file_status status;
  if (!fs::status(path, status) && status.type() == fs::file_type::directory_file)
    return failure(path + ": is a folder; name a file to write");
  if (fs::exists(status) && status.type() != fs::file_type::regular_file)
    return writeInto(path, write);
  auto file = fs::TempFile::create(path + ".partial-%%%%%%", fs::all_read | fs::all_write);
  if (!file)
    return notWritten(path, llvm::toString(file.takeError()));
  llvm::raw_fd_ostream stream(file->FD, /*shouldClose=*/false);
  if (Result<void> written = writeStream(stream, path, write); !written) {
    llvm::consumeError(file->discard());
    return written;
  }
  if (llvm::Error error = file->keep(path))
    return notWritten(path, llvm::toString(std::move(error)));
  return {};
}
