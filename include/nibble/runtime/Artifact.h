//===- Artifact.h - An artifact, opened and checked ---------------------------------*- C++ -*-===//
//
// Opening maps the file, finds the footer at its end and refuses, with a reason, whatever is not exactly what
// the compiler wrote: magic, version, the manifest's hash, every offset, the hashes of code, tokenizer and
// IR. Weights are checked by size; verify() reads them too.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Manifest.h"
#include "nibble/runtime/MappedFile.h"
#include <functional>

namespace nibble {

class Artifact {
public:
  static Result<Artifact> open(const std::string &path);
  /// False where the file's last bytes are no footer (or there is no such file): it is then only a runtime.
  static bool hasFooter(const std::string &path);

  const std::string &path() const { return file.path(); }
  const Manifest &manifest() const { return contents; }
  /// The manifest's own text.
  std::string_view manifestText() const { return text; }
  /// The bytes of a segment, mapped from the file.
  std::span<const std::byte> bytes(const SegmentInfo &segment) const;
  /// The bytes of the first segment of that name; empty if there is none.
  std::span<const std::byte> segment(std::string_view name) const;

  /// Hashes every segment. `progress` (may be empty) hears each segment's name before it is read.
  Result<void> verify(const std::function<void(const SegmentInfo &)> &progress = {}) const;

private:
  Artifact(MappedFile file, Manifest contents, std::string_view text)
      : file(std::move(file)), contents(std::move(contents)), text(text) {}
  Result<void> checkHash(const SegmentInfo &segment) const;

  MappedFile file;
  Manifest contents;
  std::string_view text; // in `file`
};

/// The names of CPUID features that this machine and its system support, as `normalFeature` spells them.
/// Where there are matrix tiles, asks the system for the permission to use them: call it before threads are
/// made.
std::vector<std::string> cpuFeatures();
/// A feature's name without regard to case and punctuation: "avx512_vnni", "AVX512-VNNI" and "avx512vnni" are
/// one.
std::string normalFeature(std::string_view name);

/// The variant to run on a CPU with these features: of those that fit the one with the most features, the
/// first of equals. `forced` (a target's name, empty for none) names one that must fit. Errors list what the
/// CPU lacks.
Result<const VariantInfo *> chooseVariant(const Manifest &manifest, const std::vector<std::string> &features,
                                          std::string_view forced, const std::string &name);

} // namespace nibble
