//===- Fuzz.h - What the harnesses share --------------------------------------------*- C++ -*-===//
//
// A harness feeds one untrusted input to the entry point that reads it, and then uses what came out as the
// compiler or the runtime would. Crashes, sanitizer reports, endless work and broken promises are findings.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Import/Tokenizer.h"
#include "nibble/runtime/Result.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// What libFuzzer calls; each harness defines it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

namespace nibble::fuzz {

inline std::string_view text(const uint8_t *data, size_t size) {
  return {reinterpret_cast<const char *>(data), size};
}

/// A promise that a header makes; ends the process, which libFuzzer reports, where it is broken.
void require(bool holds, std::string_view promise);

/// A file in memory, for entry points that take a path.
class MemoryFile {
public:
  MemoryFile();
  MemoryFile(const MemoryFile &) = delete;
  MemoryFile &operator=(const MemoryFile &) = delete;
  ~MemoryFile();

  /// Replaces the file's content.
  void set(std::span<const uint8_t> bytes);
  const std::string &path() const { return name; }

private:
  int descriptor;
  std::string name;
};

/// Compiles a tokenizer that an importer accepted, opens the segment, and uses it.
void useTokenizer(const TokenizerSpec &spec, std::string_view text);
/// Encodes `text` and decodes what came out, whole and as a stream. `segment` is 8-byte aligned.
void useSegment(std::span<const std::byte> segment, std::string_view text, bool mustOpen);

} // namespace nibble::fuzz
