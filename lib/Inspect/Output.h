//===- Output.h - Where results go --------------------------------------------------*- C++ -*-===//
//
// Standard output, or a file that takes its name when it is whole.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <string>

namespace nibble {

/// Calls `write` with the stream of `path`; "-" is standard output. A failure of `write` or of the disk
/// leaves no file of that name behind, and what was there before as it was.
Result<void> writeOutput(const std::string &path,
                         llvm::function_ref<Result<void>(llvm::raw_ostream &)> write);

} // namespace nibble
