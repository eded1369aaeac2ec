//===- Output.cpp - Where results go --------------------------------------------------------------------===//
#include "lib/Inspect/Output.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"

using namespace nibble;

/// What the system said about the stream, taken off it, so that its destructor does not end the process.
static std::error_code takeError(llvm::raw_ostream &stream) {
  stream.flush();
  auto *file = llvm::dyn_cast<llvm::raw_fd_ostream>(&stream);
  if (!file || !file->has_error())
    return {};
  std::error_code error = file->error();
  file->clear_error();
  return error;
}

Result<void> nibble::writeOutput(const std::string &path,
                                 llvm::function_ref<Result<void>(llvm::raw_ostream &)> write) {
  std::string name = path == "-" ? "standard output" : path;
  if (llvm::sys::fs::is_directory(path))
    return failure(path + ": is a folder; name a file to write");
  Result<void> result;
  llvm::Error error = llvm::writeToOutput(path, [&](llvm::raw_ostream &stream) -> llvm::Error {
    result = write(stream);
    if (std::error_code problem = takeError(stream))
      return llvm::errorCodeToError(problem);
    return result ? llvm::Error::success() : llvm::createStringError("not written");
  });
  std::string problem = llvm::toString(std::move(error));
  if (!result)
    return result;
  if (!problem.empty())
    return failure(name + ": cannot be written: " + problem);
  return {};
}
