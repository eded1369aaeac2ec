//===- Npy.cpp - Matrices of float32 in numpy's file format -----------------------------------===//

#include "nibble/runtime/Npy.h"
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace nibble;

static constexpr char kMagic[] = "\x93NUMPY";
static constexpr size_t kMagicBytes = 6;

static tl::unexpected<Error> systemFailure(const std::string &path, const char *what, int code) {
  return failure(path + ": cannot " + what + ": " + std::strerror(code));
}

static std::string partialName(const std::string &path) {
  return path + ".partial-" + std::to_string(::getpid());
}

static Result<void> writeAll(int descriptor, const std::string &path, const void *data, size_t size,
                             uint64_t offset) {
  auto *bytes = static_cast<const char *>(data);
  while (size > 0) {
    ssize_t count = ::pwrite(descriptor, bytes, size, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return systemFailure(path, "write it", count < 0 ? errno : ENOSPC);
    bytes += count;
    size -= static_cast<size_t>(count);
    offset += static_cast<uint64_t>(count);
  }
  return {};
}

Result<NpyWriter> NpyWriter::create(const std::string &path, uint64_t rows, uint64_t columns) {
  struct stat status;
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    return failure(path + ": is " + (S_ISDIR(status.st_mode) ? "a directory" : "not a regular file") +
                   "; expected the name of a file to write");
  std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                     std::to_string(columns) + "), }";
  // Magic, version and length take 10 bytes; the values begin at a multiple of 64.
  size_t total = (kMagicBytes + 4 + text.size() + 1 + 63) / 64 * 64;
  text.append(total - kMagicBytes - 4 - text.size() - 1, ' ');
  text += '\n';
  std::string header(kMagic, kMagicBytes);
  header += {1, 0, static_cast<char>(text.size() & 255), static_cast<char>(text.size() >> 8)};
  header += text;

  // A file without a name vanishes with the process, however that ends; not every file system has them.
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1), partial;
  int descriptor = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    partial = partialName(path);
    descriptor = ::open(partial.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  }
  if (descriptor < 0)
    return systemFailure(path, errno == ENOENT ? "create it (does its folder exist?)" : "create it", errno);
  NpyWriter writer(path, std::move(partial), descriptor, header.size(), columns);
  NIBBLE_CHECK(writeAll(descriptor, path, header.data(), header.size(), 0));
  return writer;
}

NpyWriter::NpyWriter(std::string path, std::string partial, int descriptor, uint64_t headerBytes,
                     uint64_t columns)
    : path(std::move(path)), partial(std::move(partial)), descriptor(descriptor), headerBytes(headerBytes),
      columns(columns) {}

NpyWriter::NpyWriter(NpyWriter &&other) noexcept
    : path(std::move(other.path)), partial(std::exchange(other.partial, {})),
      descriptor(std::exchange(other.descriptor, -1)), headerBytes(other.headerBytes),
      columns(other.columns) {}

NpyWriter::~NpyWriter() {
  if (descriptor >= 0)
    ::close(descriptor);
  if (!partial.empty())
    ::unlink(partial.c_str());
}

Result<void> NpyWriter::write(uint64_t first, std::span<const float> values) {
  return writeAll(descriptor, path, values.data(), values.size_bytes(),
                  headerBytes + first * columns * sizeof(float));
}

Result<void> NpyWriter::finish() {
  if (partial.empty()) {
    std::string name = partialName(path), source = "/proc/self/fd/" + std::to_string(descriptor);
    if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      return systemFailure(path, "name it", errno);
    partial = std::move(name);
  }
  if (::close(std::exchange(descriptor, -1)) != 0)
    return systemFailure(path, "write it", errno);
  if (::rename(partial.c_str(), path.c_str()) != 0)
    return systemFailure(path, "put it in its place", errno);
  partial.clear();
  return {};
}

/// The text behind `'key':` in the header's dictionary, spaces skipped; empty if there is no such key.
static std::string_view valueOf(std::string_view header, std::string_view key) {
  size_t at = header.find(key);
  if (at == std::string_view::npos)
    return {};
  at = header.find(':', at + key.size());
  if (at == std::string_view::npos)
    return {};
  at = header.find_first_not_of(' ', at + 1);
  return at == std::string_view::npos ? std::string_view() : header.substr(at);
}

Result<NpyMatrix> NpyMatrix::open(const std::string &path) {
  NIBBLE_TRY(auto file, MappedFile::open(path));
  std::string_view text = file.text();
  if (text.size() < kMagicBytes + 4 || text.substr(0, kMagicBytes) != std::string_view(kMagic, kMagicBytes))
    return failure(path + ": is not a .npy file");
  auto byte = [&](size_t i) { return static_cast<uint64_t>(static_cast<unsigned char>(text[i])); };
  uint64_t major = byte(6), size, begin = 10;
  if (major == 1) {
    size = byte(8) | byte(9) << 8;
  } else if ((major == 2 || major == 3) && text.size() >= 12) {
    size = byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24;
    begin = 12;
  } else {
    return failure(path + ": is of .npy version " + std::to_string(major) + "; expected 1 to 3");
  }
  if (size > text.size() - begin)
    return failure(path + ": ends inside of its header; it was cut short");
  std::string_view header = text.substr(begin, size);
  auto startsWith = [](std::string_view value, std::string_view start) {
    return value.substr(0, start.size()) == start;
  };
  if (!startsWith(valueOf(header, "'descr'"), "'<f4'") ||
      !startsWith(valueOf(header, "'fortran_order'"), "False"))
    return failure(path + ": expected little-endian float32 in row order");
  std::string_view shape = valueOf(header, "'shape'");
  uint64_t dimensions[2] = {};
  size_t at = 0;
  for (int d = 0; d < 2; ++d) {
    at = shape.find_first_of("0123456789)", at);
    if (at == std::string_view::npos || shape[at] == ')')
      return failure(path + ": expected two dimensions");
    auto parsed = std::from_chars(shape.data() + at, shape.data() + shape.size(), dimensions[d]);
    if (parsed.ec != std::errc())
      return failure(path + ": its shape is not readable");
    at = static_cast<size_t>(parsed.ptr - shape.data());
  }
  size_t next = shape.find_first_not_of(", ", at);
  if (next == std::string_view::npos || shape[next] != ')')
    return failure(path + ": expected two dimensions");
  unsigned __int128 bytes = static_cast<unsigned __int128>(dimensions[0]) * dimensions[1];
  uint64_t left = text.size() - begin - size;
  if (bytes > left / sizeof(float) || static_cast<uint64_t>(bytes) * sizeof(float) != left)
    return failure(path + ": its shape does not fit its size; it was cut short or altered");
  const char *values = text.data() + begin + size;
  if (reinterpret_cast<uintptr_t>(values) % alignof(float) != 0)
    return failure(path + ": its values are not aligned; save it again with numpy");
  return NpyMatrix(std::move(file), reinterpret_cast<const float *>(values), dimensions[0], dimensions[1]);
}
