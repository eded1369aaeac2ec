//===- Disassembly.h - A kernel's machine code as text ------------------------------*- C++ -*-===//
#pragma once

#include "nibble/runtime/Artifact.h"

namespace nibble {

struct FoundKernel {
  const VariantInfo *variant = nullptr;
  const KernelInfo *kernel = nullptr;
};

/// The kernel of a name. One that has a form for each type of the KV cache ("attention_8x16_kv4.f16") is
/// found by its name without the type too: the form of the default cache. `target` empty: the first variant.
Result<FoundKernel> findKernel(const Artifact &artifact, const std::string &name, const std::string &target);

/// Machine code in an ELF image, whose file offsets are its addresses.
struct MachineCode {
  std::span<const std::byte> image;
  uint64_t begin = 0, size = 0; // of the code
};

/// One line an instruction in AT&T syntax, with addresses that count from the code's first byte. Jumps inside
/// of the code have labels .L1, .L2 ... in order of address; places in the image that are addressed relative
/// to the program counter are .C1, .C2 ... in order of appearance, listed with their offsets at the end.
/// Bytes that are no instruction are `.byte`s.
Result<std::string> disassemble(const MachineCode &code);

/// The code of a kernel under a comment that says which it is.
Result<std::string> disassembleKernel(const Artifact &artifact, const FoundKernel &found);

} // namespace nibble
