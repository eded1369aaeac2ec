//===- MappedFile.cpp - mmap with errors that name the file -----------------------------------===//

#include "nibble/runtime/MappedFile.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace nibble;

/// Says what went wrong with `path` in the system's words, and what to do about the common causes.
static tl::unexpected<Error> systemFailure(const std::string &path, const char *what, int code) {
  std::string message = path + ": cannot " + what + ": " + std::strerror(code);
  if (code == ENOENT)
    message += "; check the path";
  else if (code == EACCES || code == EPERM)
    message += "; check its permissions";
  return failure(std::move(message));
}

Result<MappedFile> MappedFile::open(const std::string &path) {
  // O_NONBLOCK: opening a FIFO that nobody writes to must not wait for ever.
  int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    return systemFailure(path, "open it", errno);
  struct Closer {
    int descriptor;
    ~Closer() { ::close(descriptor); }
  } closer{descriptor};

  struct stat status;
  if (::fstat(descriptor, &status) != 0)
    return systemFailure(path, "find its size", errno);
  if (S_ISDIR(status.st_mode))
    return failure(path + ": is a directory; expected a file");
  if (!S_ISREG(status.st_mode))
    return failure(path + ": is a pipe, device or socket; expected a regular file");
  if (status.st_size <= 0)
    return failure(path + ": is empty; expected a file with content (was the download interrupted?)");

  auto size = static_cast<size_t>(status.st_size);
  void *address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (address == MAP_FAILED)
    return systemFailure(path, "map it", errno);
  return MappedFile(path, static_cast<const std::byte *>(address), size);
}

MappedFile::MappedFile(MappedFile &&other) noexcept
    : name(std::move(other.name)), data(std::exchange(other.data, nullptr)),
      size(std::exchange(other.size, 0)) {}

MappedFile &MappedFile::operator=(MappedFile &&other) noexcept {
  std::swap(name, other.name);
  std::swap(data, other.data);
  std::swap(size, other.size);
  return *this;
}

MappedFile::~MappedFile() {
  if (data)
    ::munmap(const_cast<std::byte *>(data), size);
}
