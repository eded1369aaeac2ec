//===- ReplaceInstructions.h - Kernels for a CPU that this machine is not -----------*- C++ -*-===//
//
// A target whose instructions the test's machine lacks is tested all the same: in the LLVM IR of its kernels,
// intrinsics become calls of functions with the same meaning, written here in plain vector arithmetic.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "llvm/IR/Module.h"

namespace nibble::test {

/// Replaces all x86 intrinsics, and has every function compiled for `cpu`. An intrinsic that has no
/// replacement fails the test.
void replaceInstructions(llvm::Module &module, llvm::StringRef cpu);

} // namespace nibble::test
