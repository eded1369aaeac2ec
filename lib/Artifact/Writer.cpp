//===- Writer.cpp - Streams an artifact to disk -----------------------------------------------===//

#include "nibble/Artifact/Writer.h"
#include "nibble/runtime/ArtifactFormat.h"
#include "nibble/runtime/KernelABI.h"
#include "nibble/runtime/MappedFile.h"
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace nibble;

// Large pieces let the file system lay the file out in large runs, which it can later map by huge pages.
static constexpr size_t kPieceBytes = 16u << 20;

struct ArtifactWriter::State {
  struct Written {
    std::string name, target;
    uint64_t offset, size;
    SHA256Digest hash;
  };

  std::string path;
  std::string partialPath; // empty while the file has no name
  int descriptor = -1;
  uint64_t position = 0;        // bytes taken so far, those in `piece` among them
  std::vector<std::byte> piece; // not yet written
  std::vector<Written> segments;
  bool failed = false;

  ~State() {
    if (descriptor >= 0)
      ::close(descriptor);
    if (!partialPath.empty())
      ::unlink(partialPath.c_str());
  }

  tl::unexpected<Error> systemFailure(const std::string &what, int code) {
    failed = true;
    std::string message = path + ": cannot " + what + ": " + std::strerror(code);
    if (code == ENOSPC || code == EDQUOT)
      message += "; free some space or write to another disk (" + std::to_string(position) + " bytes so far)";
    else if (code == ENOENT)
      message += "; its folder does not exist";
    else if (code == EACCES || code == EPERM || code == EROFS)
      message += "; check the permissions of its folder";
    return failure(std::move(message));
  }

  Result<void> flush() {
    const std::byte *data = piece.data();
    size_t left = piece.size();
    while (left > 0) {
      ssize_t count = ::write(descriptor, data, left);
      if (count < 0 && errno == EINTR)
        continue;
      if (count <= 0)
        return systemFailure("write it", count < 0 ? errno : ENOSPC);
      data += count;
      left -= static_cast<size_t>(count);
    }
    piece.clear();
    return {};
  }

  Result<void> append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      auto part = bytes.first(std::min(bytes.size(), kPieceBytes - piece.size()));
      piece.insert(piece.end(), part.begin(), part.end());
      position += part.size();
      bytes = bytes.subspan(part.size());
      if (piece.size() == kPieceBytes)
        NIBBLE_CHECK(flush());
    }
    return {};
  }

  Result<void> pad(uint64_t alignment) {
    static const std::byte zeros[4096] = {};
    uint64_t left = (alignment - position % alignment) % alignment;
    while (left > 0) {
      size_t count = std::min<uint64_t>(left, sizeof(zeros));
      NIBBLE_CHECK(append({zeros, count}));
      left -= count;
    }
    return {};
  }
};

ArtifactWriter::ArtifactWriter(std::unique_ptr<State> state) : state(std::move(state)) {}
ArtifactWriter::ArtifactWriter(ArtifactWriter &&) noexcept = default;
ArtifactWriter &ArtifactWriter::operator=(ArtifactWriter &&) noexcept = default;
ArtifactWriter::~ArtifactWriter() = default;

/// A name beside `path` that no other writer uses.
static std::string partialName(const std::string &path) {
  static std::atomic<uint32_t> counter{0};
  return path + ".partial-" + std::to_string(::getpid()) + "-" + std::to_string(counter++);
}

Result<ArtifactWriter> ArtifactWriter::create(const std::string &path,
                                              const std::string &runtimeExecutablePath) {
  struct stat status;
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode))
      return failure(path + ": is a directory; expected the name of a file to write");
    if (!S_ISREG(status.st_mode))
      return failure(path + ": is a pipe, device or socket; expected the name of a file to write");
  }
  if (path.empty() || path.back() == '/')
    return failure("'" + path + "': expected the name of a file to write");

  auto state = std::make_unique<State>();
  state->path = path;
  state->piece.reserve(kPieceBytes);
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  state->descriptor = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0755);
  if (state->descriptor <
      0) { // EOPNOTSUPP, EISDIR or ENOENT, by age and kind of file system; or truly no folder
    std::string name = partialName(path);
    state->descriptor = ::open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0755);
    if (state->descriptor < 0)
      return state->systemFailure("create it", errno);
    state->partialPath = std::move(name);
  }

  if (!runtimeExecutablePath.empty()) {
    NIBBLE_TRY(auto runtime, MappedFile::open(runtimeExecutablePath));
    std::span<const std::byte> bytes = runtime.bytes();
    if (bytes.size() >= sizeof(ArtifactFooter) &&
        std::memcmp(bytes.last(sizeof(ArtifactFooter)).data(), kArtifactMagic, sizeof(kArtifactMagic)) == 0)
      return failure(runtimeExecutablePath + ": is an artifact; expected the runtime alone (nibble-run)");
    NIBBLE_CHECK(state->append(bytes));
  }
  return ArtifactWriter(std::move(state));
}

Result<uint32_t> ArtifactWriter::addSegment(const Segment &segment, const Fill &fill) {
  if (state->failed)
    return failure(state->path + ": an earlier part could not be written");
  if (segment.alignment < kSegmentAlignment || (segment.alignment & (segment.alignment - 1)) != 0)
    return failure(state->path + ": segment '" + segment.name + "' asks for an alignment of " +
                   std::to_string(segment.alignment) + "; expected a power of two of at least " +
                   std::to_string(kSegmentAlignment));
  NIBBLE_CHECK(state->pad(segment.alignment));
  uint64_t offset = state->position;
  SHA256 hash;
  Result<void> filled = fill([&](std::span<const std::byte> bytes) {
    hash.update(bytes);
    return state->append(bytes);
  });
  if (!filled) {
    state->failed = true;
    return tl::unexpected(std::move(filled).error());
  }
  state->segments.push_back({segment.name, segment.target, offset, state->position - offset, hash.finish()});
  return static_cast<uint32_t>(state->segments.size() - 1);
}

Result<uint32_t> ArtifactWriter::addSegment(const Segment &segment, std::span<const std::byte> bytes) {
  return addSegment(segment, [&](const Sink &sink) { return sink(bytes); });
}

uint64_t ArtifactWriter::segmentOffset(uint32_t index) const { return state->segments.at(index).offset; }
uint64_t ArtifactWriter::segmentSize(uint32_t index) const { return state->segments.at(index).size; }

Result<void> ArtifactWriter::finish(nlohmann::json manifest) {
  if (state->failed)
    return failure(state->path + ": an earlier part could not be written");
  manifest["format"] = kArtifactVersion;
  manifest["abi"] = kKernelABIVersion;
  auto segments = nlohmann::json::array();
  for (const State::Written &segment : state->segments) {
    nlohmann::json entry = {{"name", segment.name},
                            {"offset", segment.offset},
                            {"size", segment.size},
                            {"sha256", hexDigits(segment.hash)}};
    if (!segment.target.empty())
      entry["target"] = segment.target;
    segments.push_back(std::move(entry));
  }
  manifest["segments"] = std::move(segments);
  std::string text = manifest.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  auto bytes = std::as_bytes(std::span(text));

  NIBBLE_CHECK(state->pad(kSegmentAlignment));
  ArtifactFooter footer = {};
  std::memcpy(footer.magic, kArtifactMagic, sizeof(kArtifactMagic));
  footer.version = kArtifactVersion;
  footer.manifestOffset = state->position;
  footer.manifestSize = bytes.size();
  SHA256Digest hash = SHA256::of(bytes);
  std::memcpy(footer.manifestHash, hash.data(), hash.size());
  NIBBLE_CHECK(state->append(bytes));
  NIBBLE_CHECK(state->append(std::as_bytes(std::span(&footer, 1))));
  NIBBLE_CHECK(state->flush());
  if (::fchmod(state->descriptor, 0755) != 0)
    return state->systemFailure("make it executable", errno);

  if (state->partialPath.empty()) {
    std::string name = partialName(state->path);
    std::string source = "/proc/self/fd/" + std::to_string(state->descriptor);
    if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      return state->systemFailure("name it", errno);
    state->partialPath = std::move(name);
  }
  if (::close(std::exchange(state->descriptor, -1)) != 0)
    return state->systemFailure("write it", errno);
  if (::rename(state->partialPath.c_str(), state->path.c_str()) != 0)
    return state->systemFailure("put it in its place", errno);
  state->partialPath.clear();
  return {};
}
