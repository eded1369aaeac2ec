//===- MappedFile.h - A file's bytes, read-only, without reading them ---------------*- C++ -*-===//
//
// Checkpoints and artifacts are larger than memory should be asked for, so both are looked at through a
// mapping: pages come in as they are touched, and the kernel may drop them again.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <cstddef>
#include <span>
#include <string_view>

namespace nibble {

/// Owns a private read-only mapping of a whole regular file. Moving it moves the ownership and leaves the
/// address of the bytes as it was, so that views into them stay good.
class MappedFile {
public:
  /// Errors name the path: missing, unreadable, a directory or another special file, empty.
  static Result<MappedFile> open(const std::string &path);

  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;
  ~MappedFile();

  /// The file as it was long when it was opened; starts at a page boundary.
  std::span<const std::byte> bytes() const { return {data, size}; }
  /// The same bytes as text.
  std::string_view text() const { return {reinterpret_cast<const char *>(data), size}; }
  const std::string &path() const { return name; }

private:
  MappedFile(std::string path, const std::byte *data, size_t size)
      : name(std::move(path)), data(data), size(size) {}

  std::string name;
  const std::byte *data = nullptr;
  size_t size = 0; // bytes
};

} // namespace nibble
