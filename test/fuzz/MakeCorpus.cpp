//===- MakeCorpus.cpp - The fuzzers' seeds, out of test/data ----------------------------------===//
//
// nibble-fuzz-corpus TEST_DATA OUTPUT: one folder of seeds a harness, in the form that the harness reads.
// Weights are cut or shrunk: mutations belong into headers.
//
//===------------------------------------------------------------------------------------------===//

#include "lib/Import/HuggingFace/Safetensors.h"
#include "nibble/Import/GGUFFile.h"
#include "nibble/Import/Tokenizer.h"
#include "nibble/runtime/Npy.h"
#include "test/unit/Runtime/ToyModel.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

using namespace nibble;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

class Corpus {
public:
  Corpus(fs::path data, fs::path output) : data(std::move(data)), output(std::move(output)) {}

  Result<void> make() {
    for (const fs::path &folder : {data / "demo", data / "tiny"})
      for (const auto &entry : fs::recursive_directory_iterator(folder))
        NIBBLE_CHECK(checkpointFile(entry.path()));
    for (const auto &entry : fs::directory_iterator(data / "tiny"))
      if (entry.is_directory())
        checkpoint(entry.path());
    for (const auto &entry : fs::directory_iterator(data / "gguf"))
      if (entry.path().extension() == ".gguf")
        NIBBLE_CHECK(gguf(entry.path()));
    for (const auto &entry : fs::directory_iterator(data / "tokenizers"))
      if (entry.is_directory())
        NIBBLE_CHECK(tokenizer(entry.path()));
    NIBBLE_CHECK(artifact());
    return npy();
  }

private:
  fs::path data, output;
  size_t count = 0;

  /// Writes one seed of a harness.
  void add(const std::string &harness, const std::string &bytes) {
    fs::create_directories(output / harness);
    toy::writeFile(output / harness / ("seed-" + std::to_string(count++)), bytes);
  }

  /// A file that a harness reads as it is, or a safetensors file, of which the first tensors stay, each with
  /// six elements.
  Result<void> checkpointFile(const fs::path &path) {
    if (path.filename() == "config.json")
      add("Config", toy::readFile(path));
    if (path.filename() == "generation_config.json")
      add("GenerationConfig", toy::readFile(path));
    if (path.filename() == "tokens.json")
      add("TokenFile", toy::readFile(path));
    if (path.filename() == "tokenizer_config.json")
      add("Template", json::parse(toy::readFile(path)).at("chat_template"));
    if (path.extension() != ".safetensors")
      return {};
    NIBBLE_TRY(auto file, SafetensorsFile::open(path));
    json header = {{"__metadata__", {{"format", "pt"}}}};
    uint64_t size = 0;
    for (size_t i = 0; i < std::min<size_t>(file.tensors().size(), 4); ++i) {
      const SafetensorsTensor &tensor = file.tensors()[i];
      uint64_t end = size + 6 * safetensorsElementBytes(tensor.dtype);
      header[tensor.name] = {{"dtype", tensor.dtype},
                             {"shape", i % 2 ? json{6} : json{2, 3}},
                             {"data_offsets", {std::exchange(size, end), end}}};
    }
    std::string text = header.dump();
    uint64_t length = text.size();
    add("Safetensors", std::string(reinterpret_cast<const char *>(&length), sizeof(length)) + text +
                           std::string(size, '\x3c'));
    return {};
  }

  /// A folder's files behind one another; of weights the headers.
  void checkpoint(const fs::path &folder) {
    std::string all;
    for (const auto &entry : fs::directory_iterator(folder)) {
      std::string content = toy::readFile(entry.path()), name = entry.path().filename();
      if (name.ends_with(".safetensors")) {
        uint64_t length = 0;
        std::memcpy(&length, content.data(), sizeof(length));
        content = content.substr(sizeof(length), length);
      } else if (!name.ends_with(".json") || name == "tokens.json") {
        continue;
      }
      all += "@" + name + "\n" + content + "\n";
    }
    add("Checkpoint", all + "@tokenizer_config.json\n" +
                          R"({"chat_template": [{"name": "default", "template": "{{ bos_token }}"}],)"
                          R"( "bos_token": {"content": "<s>"}, "eos_token": "</s>"})");
  }

  /// Metadata and tensor infos.
  Result<void> gguf(const fs::path &path) {
    NIBBLE_TRY(auto file, GGUFFile::open(path));
    std::string bytes = toy::readFile(path);
    size_t dataBytes = 0; // from the first tensor's data on
    for (const GGUFTensor &tensor : file.tensors())
      dataBytes += (tensor.data.size() + 31) / 32 * 32;
    add("GGUF", bytes.substr(0, bytes.size() - std::min(dataBytes, bytes.size())));
    return {};
  }

  Result<void> tokenizer(const fs::path &folder) {
    add("Tokenizer", toy::readFile(folder / "tokenizer.json"));
    NIBBLE_TRY(auto spec, importHuggingFaceTokenizer(folder.string()));
    NIBBLE_TRY(auto segment, serializeTokenizer(spec));
    add("TokenizerSegment", std::string(reinterpret_cast<const char *>(segment.data()), segment.size()));
    return {};
  }

  /// The toy model of the runtime's tests, without an executable in front.
  Result<void> artifact() {
    std::string path = toy::temporaryPath("artifact");
    NIBBLE_CHECK(
        toy::write(path, "", {{"tokenizer", toy::tokenizer()}, {"templates", R"({"templates": {}})"}}));
    add("Artifact", toy::readFile(path));
    fs::remove(path);
    return {};
  }

  Result<void> npy() {
    std::string path = toy::temporaryPath("logits.npy");
    NIBBLE_TRY(auto writer, NpyWriter::create(path, 2, 3));
    const float values[] = {1, 2, 3, 4, 5, 6};
    NIBBLE_CHECK(writer.write(0, values));
    NIBBLE_CHECK(writer.finish());
    add("Npy", toy::readFile(path));
    fs::remove_all(fs::path(path).parent_path());
    return {};
  }
};

} // namespace

int main(int argc, char **argv) {
  if (argc != 3) {
    std::cerr << "usage: nibble-fuzz-corpus TEST_DATA OUTPUT\n";
    return 2;
  }
  fs::remove_all(argv[2]);
  if (auto made = Corpus(argv[1], argv[2]).make(); !made) {
    std::cerr << "error: " << made.error().message << '\n';
    return 1;
  }
}
