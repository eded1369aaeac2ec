//===- GGUFTypes.h - Sizes and names of GGUF's types --------------------------------*- C++ -*-===//
//
// Shared by the two halves of GGUFFile: validation at open and the typed look-ups.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Import/GGUFFile.h"
#include <bit>
#include <cstring>

namespace nibble::gguf {

static_assert(std::endian::native == std::endian::little, "GGUF values are read in place");

/// Bytes of one scalar value; 0 for strings, arrays and numbers that are no type.
size_t scalarBytes(GGUFValueType type);
/// "uint32", "string"; "unknown" for numbers that are no type.
const char *typeName(GGUFValueType type);

/// The scalar at `bytes`, which may be unaligned.
template <typename T> T load(const std::byte *bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

/// A name out of an untrusted file, in quotes, cut to what fits a line and with control characters replaced.
std::string quoted(std::string_view text);

} // namespace nibble::gguf
