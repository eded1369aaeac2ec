//===- CheckpointFuzz.cpp - A Hugging Face folder as a whole ----------------------------------===//
//
// The input is the folder's files one after the other, each behind a line "@NAME". Of a safetensors file it
// has the header's JSON; length and data (zeros, as many as the header asks for) are put around it.
//
//===------------------------------------------------------------------------------------------===//

#include "Fuzz.h"
#include "lib/Import/HuggingFace/Safetensors.h"
#include "nibble/Import/Import.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace nibble;
namespace fs = std::filesystem;

static constexpr uint64_t kMostData = 1u << 20; // bytes of a safetensors file

namespace {
/// A folder of this process that is gone when it ends.
struct Folder {
  fs::path path;
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "nibble-fuzz-XXXXXX").string();
    fuzz::require(::mkdtemp(pattern.data()) != nullptr, "temporary folders can be made");
    path = pattern;
  }
  ~Folder() { clear(true); }
  void clear(bool whole = false) {
    std::error_code ignored;
    for (const auto &entry : fs::directory_iterator(path, ignored))
      fs::remove(entry, ignored);
    if (whole)
      fs::remove(path, ignored);
  }
};
} // namespace

/// A name that the readers look for; others are not worth a file.
static bool isKnown(std::string_view name) {
  for (std::string_view known :
       {"config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json",
        "tokenizer.json", "chat_template.jinja", "model.safetensors", "model.safetensors.index.json",
        "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"})
    if (name == known)
      return true;
  return false;
}

static void writeFile(const fs::path &path, std::string_view content) {
  std::ofstream file(path, std::ios::binary);
  if (path.extension() != ".safetensors") {
    file << content;
    return;
  }
  uint64_t length = content.size(), data = 0;
  if (auto header = parseSafetensorsHeader(content, "input"))
    for (const SafetensorsTensor &tensor : header->tensors)
      data = std::max(data, tensor.end);
  file.write(reinterpret_cast<const char *>(&length), sizeof(length)) << content;
  file.close();
  fs::resize_file(path, sizeof(length) + length + std::min(data, kMostData));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static Folder folder;
  folder.clear();
  std::string_view rest = fuzz::text(data, size);
  while (rest.starts_with('@')) {
    size_t line = std::min(rest.find('\n'), rest.size());
    std::string_view name = rest.substr(1, line - 1);
    rest.remove_prefix(std::min(line + 1, rest.size()));
    size_t end = rest.starts_with('@') ? 0 : std::min(rest.find("\n@"), rest.size());
    if (isKnown(name))
      writeFile(folder.path / name, rest.substr(0, end));
    rest.remove_prefix(std::min(end + (end == 0 ? 0 : 1), rest.size()));
  }
  if (auto checkpoint = openCheckpoint(folder.path))
    for (const StoredTensor &tensor : checkpoint->parameters.tensors())
      fuzz::require(checkpoint->parameters.readRows(tensor, tensor.rows() - 1, tensor.rows()).has_value(),
                    "rows of a bound weight can be read");
  (void)importHuggingFaceTokenizer(folder.path.string());
  return 0;
}
