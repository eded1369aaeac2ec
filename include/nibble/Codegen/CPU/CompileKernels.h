//===- CompileKernels.h - Kernels of a scheduled module as one image of machine code ---*- C++ -*-===//
//
// The last step of the compiler on a CPU: MLIR to LLVM, an object file, and a position-independent image that
// the runtime maps straight out of the artifact.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Codegen/CPU/Target.h"

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace llvm {
class Module;
} // namespace llvm

namespace nibble {

/// One kernel function of an image. Offsets count from the image's first byte.
struct CompiledKernel {
  std::string name;     // of the rt.kernel; with ".f32", ".f16" or ".bf16" for a type of cache
  std::string family;   // embed, rows, linear, attention
  std::string cache;    // f32, f16 or bf16 where the kernel reads the KV cache
  uint64_t entry = 0;   // NibbleKernel
  uint64_t items = 0;   // NibbleKernelItems
  uint64_t size = 0;    // bytes of code of the entry
  uint64_t scratch = 0; // bytes of scratch memory a worker needs
};

/// All kernels of a program for one target. `bytes` is an ELF file with one segment, file offset = address,
/// no relocation and nothing writable; it keeps its symbols.
struct CompiledImage {
  CPUTarget target;
  std::vector<char> bytes;
  std::vector<CompiledKernel> kernels;
};

// All of these report errors as diagnostics and return them.

/// The kernels of `scheduled` (which stays as it is) in the LLVM dialect: a module that bears the target's
/// name, with what the phase codegen adds beside kernels and program for each target.
Result<mlir::OwningOpRef<mlir::ModuleOp>> lowerKernels(mlir::ModuleOp scheduled, const CPUTarget &target);

/// The target of such a module.
Result<CPUTarget> targetOfLowered(mlir::ModuleOp lowered);

/// Compiles and links such a module. `edit`, if any, sees the LLVM IR before machine code is made of it.
using EditIR = llvm::function_ref<void(llvm::Module &)>;
Result<CompiledImage> emitImage(mlir::ModuleOp lowered, const CPUTarget &target, EditIR edit = {});

/// Both steps on the kernels of `scheduled`, which stays as it is.
Result<CompiledImage> compileKernels(mlir::ModuleOp scheduled, const CPUTarget &target, EditIR edit = {});

/// Links one relocatable object into an image as above.
Result<std::vector<char>> linkImage(const std::vector<char> &object, InstructionSet instructions);

} // namespace nibble
