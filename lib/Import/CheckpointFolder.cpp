//===- CheckpointFolder.cpp - Files of a checkpoint, none outside of it -----------------------===//

#include "CheckpointFolder.h"

#include "JsonObject.h"

#include <algorithm>

using namespace nibble;
namespace fs = std::filesystem;

/// A name without any path in it.
static bool isPlain(const std::string &name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
}

static bool liesIn(const fs::path &file, const fs::path &folder) {
  auto [rest, _] = std::mismatch(folder.begin(), folder.end(), file.begin(), file.end());
  return rest == folder.end();
}

Result<CheckpointFolder> CheckpointFolder::open(const std::string &path) {
  std::error_code error;
  CheckpointFolder folder;
  folder.name = path;
  folder.root = fs::canonical(path, error);
  if (error)
    return failure(path + ": cannot open it: " + error.message() + "; check the path");
  if (!fs::is_directory(folder.root, error))
    return failure(path + ": is not a folder; expected a Hugging Face checkpoint");
  if (folder.root.parent_path().filename() == "snapshots") {
    fs::path blobs = fs::canonical(folder.root.parent_path().parent_path() / "blobs", error);
    if (!error)
      folder.blobs = blobs;
  }
  return folder;
}

bool CheckpointFolder::has(const std::string &file) const {
  std::error_code error;
  return isPlain(file) && fs::exists(root / file, error);
}

Result<std::string> CheckpointFolder::inside(const fs::path &file) const {
  std::error_code error;
  fs::path target = fs::canonical(root / file, error);
  std::string shown = (fs::path(name) / file).string();
  if (error)
    return failure(shown + ": cannot open it: " + error.message());
  if (!liesIn(target, root) && (blobs.empty() || !liesIn(target, blobs)))
    return failure(shown + ": is a link that leaves the checkpoint's folder; copy the file into it");
  return shown;
}

Result<std::string> CheckpointFolder::file(const std::string &file) const {
  if (!isPlain(file))
    return failure(name + ": the file name " + quotedName(file) +
                   " is no plain name; files of a checkpoint lie in its folder");
  return inside(file);
}

Result<std::string> CheckpointFolder::file(const std::string &subfolder, const std::string &file) const {
  if (!isPlain(subfolder) || !isPlain(file))
    return failure(name + ": " + quotedName(subfolder) + " and " + quotedName(file) + " must be plain names");
  return inside(fs::path(subfolder) / file);
}

std::vector<std::string> CheckpointFolder::list(const std::string &subfolder,
                                                const std::string &extension) const {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(root / subfolder, error), end; !error && entry != end;
       entry.increment(error))
    if (entry->path().extension() == extension)
      names.push_back(entry->path().filename().string());
  std::ranges::sort(names);
  return names;
}
