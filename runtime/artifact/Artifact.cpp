//===- Artifact.cpp - An artifact, opened and checked -----------------------------------------===//

#include "nibble/runtime/Artifact.h"
#include "nibble/runtime/ArtifactFormat.h"
#include <cstring>

using namespace nibble;

static constexpr uint64_t kMostManifestBytes = 64u << 20;

static const char kCompileAgain[] = "; compile the checkpoint again or copy the file again";

bool Artifact::hasFooter(const std::string &path) {
  auto file = MappedFile::open(path);
  if (!file || file->bytes().size() < sizeof(ArtifactFooter))
    return false;
  return std::memcmp(file->bytes().last(sizeof(ArtifactFooter)).data(), kArtifactMagic,
                     sizeof(kArtifactMagic)) == 0;
}

Result<Artifact> Artifact::open(const std::string &path) {
  NIBBLE_TRY(auto file, MappedFile::open(path));
  std::span<const std::byte> bytes = file.bytes();
  ArtifactFooter footer;
  if (bytes.size() >= sizeof(footer))
    std::memcpy(&footer, bytes.last(sizeof(footer)).data(), sizeof(footer));
  if (bytes.size() < sizeof(footer) || std::memcmp(footer.magic, kArtifactMagic, sizeof(kArtifactMagic)) != 0)
    return failure(
        path + ": does not end as an artifact does: it was not made by nibble-compile, or it was cut short" +
        kCompileAgain);
  if (footer.version != kArtifactVersion)
    return failure(path + ": is of artifact version " + std::to_string(footer.version) +
                   "; this runtime reads version " + std::to_string(kArtifactVersion) + kCompileAgain);
  uint64_t end = bytes.size() - sizeof(footer);
  if (footer.reserved != 0 || footer.manifestOffset > end ||
      footer.manifestSize != end - footer.manifestOffset)
    return failure(path + ": its footer places the manifest outside of the file; the file is damaged" +
                   kCompileAgain);
  if (footer.manifestSize > kMostManifestBytes)
    return failure(path + ": its manifest has " + std::to_string(footer.manifestSize) + " bytes; at most " +
                   std::to_string(kMostManifestBytes) + " are read");
  auto manifestBytes = bytes.subspan(footer.manifestOffset, footer.manifestSize);
  SHA256Digest hash = SHA256::of(manifestBytes);
  if (std::memcmp(hash.data(), footer.manifestHash, hash.size()) != 0)
    return failure(path + ": its manifest does not match its hash; the file is damaged" + kCompileAgain);
  std::string_view text(reinterpret_cast<const char *>(manifestBytes.data()), manifestBytes.size());
  NIBBLE_TRY(auto manifest, parseManifest(text, footer.manifestOffset, path));

  Artifact artifact(std::move(file), std::move(manifest), text);
  for (const SegmentInfo &segment : artifact.contents.segments)
    if (segment.name != "weights")
      NIBBLE_CHECK(artifact.checkHash(segment));
  return artifact;
}

std::span<const std::byte> Artifact::bytes(const SegmentInfo &segment) const {
  return file.bytes().subspan(segment.offset, segment.size);
}

std::span<const std::byte> Artifact::segment(std::string_view name) const {
  const SegmentInfo *found = contents.segment(name);
  return found ? bytes(*found) : std::span<const std::byte>();
}

Result<void> Artifact::checkHash(const SegmentInfo &segment) const {
  if (SHA256::of(bytes(segment)) == segment.hash)
    return {};
  return failure(path() + ": its segment '" + segment.name + "'" +
                 (segment.target.empty() ? "" : " for " + segment.target) +
                 " does not match its hash; the file is damaged" + kCompileAgain);
}

Result<void> Artifact::verify(const std::function<void(const SegmentInfo &)> &progress) const {
  for (const SegmentInfo &segment : contents.segments) {
    if (progress)
      progress(segment);
    NIBBLE_CHECK(checkHash(segment));
  }
  return {};
}
