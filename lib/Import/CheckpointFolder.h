//===- CheckpointFolder.h - Files of a checkpoint, none outside of it ---------------*- C++ -*-===//
//
// File names come out of the checkpoint itself (its index names shards), so a name must be plain and what it
// leads to must lie in the folder. The cache of huggingface_hub, whose snapshots are links into a folder of
// blobs, is allowed.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"

#include <filesystem>
#include <string>
#include <vector>

namespace nibble {

class CheckpointFolder {
public:
  static Result<CheckpointFolder> open(const std::string &path);

  const std::string &path() const { return name; }
  bool has(const std::string &file) const;
  /// The path of a file that must be there and inside.
  Result<std::string> file(const std::string &file) const;
  /// The same for a file of a sub-folder.
  Result<std::string> file(const std::string &subfolder, const std::string &file) const;
  /// Names of the files in `subfolder` that end in `extension`, ascending; none if there is no such folder.
  std::vector<std::string> list(const std::string &subfolder, const std::string &extension) const;

private:
  Result<std::string> inside(const std::filesystem::path &file) const;

  std::string name;
  std::filesystem::path root, blobs; // canonical; blobs is empty outside of the cache
};

} // namespace nibble
