//===- Writer.h - Streams an artifact to disk ---------------------------------------*- C++ -*-===//
//
// Weights pass through in pieces and are hashed on their way, so writing needs no memory for them. The file
// appears under its name only when it is whole: until then it has no name at all, or a .partial one where the
// file system has no nameless files, and a failure leaves nothing behind. The same input gives the same
// bytes.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include "nibble/runtime/SHA256.h"
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

namespace nibble {

class ArtifactWriter {
public:
  /// Receives a segment's bytes in order, in pieces of any size; a failure ends the writing.
  using Sink = std::function<Result<void>(std::span<const std::byte>)>;
  /// Produces a segment by calling the sink.
  using Fill = std::function<Result<void>(const Sink &)>;

  struct Segment {
    std::string name;   // "weights", "code", "tokenizer", "templates", "ir", "plan"
    std::string target; // of code; else empty
    uint64_t alignment; // power of two, at least kSegmentAlignment; the weights take kWeightAlignment
  };

  /// Begins a file with the bytes of the runtime's executable; an empty path writes none (then the file is
  /// data only, to be opened with nibble-run).
  static Result<ArtifactWriter> create(const std::string &path, const std::string &runtimeExecutablePath);

  ArtifactWriter(ArtifactWriter &&) noexcept;
  ArtifactWriter &operator=(ArtifactWriter &&) noexcept;
  /// Discards what was written unless finish() succeeded.
  ~ArtifactWriter();

  /// Both give the segment's index in the manifest's list.
  Result<uint32_t> addSegment(const Segment &segment, const Fill &fill);
  Result<uint32_t> addSegment(const Segment &segment, std::span<const std::byte> bytes);

  /// Where the segment lies, valid from its addSegment on.
  uint64_t segmentOffset(uint32_t index) const;
  uint64_t segmentSize(uint32_t index) const;

  /// Adds "format", "abi" and "segments" to the manifest, writes it and the footer, and puts the file,
  /// executable, in its place. An existing file of that name is replaced as a whole.
  Result<void> finish(nlohmann::json manifest);

private:
  struct State;
  explicit ArtifactWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace nibble
