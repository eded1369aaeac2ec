//===- WeightFiles.cpp - The safetensors files of a checkpoint --------------------------------===//
//
// One file, or shards named by an index. The siblings of one layer may lie in different shards, so names are
// resolved over all of them. Embedding and head may be one table in three ways: by tie_word_embeddings, by an
// alias in a file's metadata (what safetensors.torch.save_model writes), or by equal bytes.
//
//===------------------------------------------------------------------------------------------===//

#include "HuggingFace.h"

#include "../JsonObject.h"
#include "../WeightBinding.h"
#include "Safetensors.h"

#include <cstring>
#include <set>

using namespace nibble;
using nlohmann::json;

namespace {
struct WeightFiles {
  std::vector<SafetensorsFile> files;
  std::map<std::string, std::string> placement; // of a sharded checkpoint: tensor to file name
};
} // namespace

static const char *const singleName = "model.safetensors";
static const char *const indexName = "model.safetensors.index.json";

/// The shards of an index, each once, in ascending order.
static Result<void> openShards(const CheckpointFolder &folder, WeightFiles &weights) {
  NIBBLE_TRY(auto indexPath, folder.file(indexName));
  NIBBLE_TRY(auto document, readJsonFile(indexPath, kShardIndexLimits));
  NIBBLE_TRY(auto index, JsonObject::of(document, indexPath));
  const json *map = index.find("weight_map");
  if (!map || !map->is_object() || map->empty())
    return failure(indexPath + ": has no 'weight_map'; expected an object from weights to files");
  std::set<std::string> shards;
  for (const auto &[tensor, shard] : map->items()) {
    if (!shard.is_string())
      return failure(indexPath + ": weight_map has no file name for " + quotedName(tensor));
    weights.placement.emplace(tensor, shard.get<std::string>());
    shards.insert(shard.get<std::string>());
  }
  for (const std::string &shard : shards) {
    NIBBLE_TRY(auto path, folder.file(shard));
    NIBBLE_TRY(auto file, SafetensorsFile::open(path));
    for (const auto &[tensor, place] : weights.placement)
      if (place == shard && !file.find(tensor))
        return failure(path + ": has no tensor " + quotedName(tensor) + ", which " + indexPath +
                       " places there");
    // A second copy of a tensor that the index places elsewhere is never read.
    weights.files.push_back(std::move(file));
  }
  return {};
}

static Result<WeightFiles> openFiles(const CheckpointFolder &folder) {
  WeightFiles weights;
  if (folder.has(singleName)) {
    NIBBLE_TRY(auto path, folder.file(singleName));
    NIBBLE_TRY(auto file, SafetensorsFile::open(path));
    weights.files.push_back(std::move(file));
    return weights;
  }
  if (folder.has(indexName)) {
    NIBBLE_CHECK(openShards(folder, weights));
    return weights;
  }
  std::string pickled = folder.has("pytorch_model.bin") || folder.has("pytorch_model.bin.index.json")
                            ? "; its pytorch_model.bin is a pickle, which is not read: save the model with "
                              "safe_serialization=True"
                            : "";
  return failure(folder.path() + ": has neither " + singleName + " nor " + indexName + pickled);
}

static Result<ContainerTensors> collect(const WeightFiles &weights) {
  ContainerTensors tensors;
  for (const SafetensorsFile &file : weights.files)
    for (const SafetensorsTensor &tensor : file.tensors()) {
      auto place = weights.placement.find(tensor.name);
      if (place != weights.placement.end() && !file.path().ends_with("/" + place->second))
        continue;
      ContainerTensor entry{file.path(), {}, tensor.dtype, file.data(tensor), true};
      for (uint64_t extent : tensor.shape)
        entry.shape.push_back(int64_t(extent)); // at most the file's size, or there is a 0 among them
      if (!tensors.emplace(tensor.name, std::move(entry)).second)
        return failure(file.path() + ": tensor " + quotedName(tensor.name) + " is in another shard too");
    }
  return tensors;
}

/// An alias in a file's metadata: the name of a tensor that was not stored, and of the one that it shares.
static void addAliases(const WeightFiles &weights, ContainerTensors &tensors) {
  for (const SafetensorsFile &file : weights.files)
    for (const auto &[alias, name] : file.metadata())
      if (file.find(name) && !tensors.contains(alias))
        tensors.emplace(alias, tensors.at(name));
}

/// Settles whether the head is the embedding table, and leaves the table under the embedding's name then.
static void settleTie(ModelConfig &config, ContainerTensors &tensors, std::vector<std::string> &notes) {
  auto embedding = tensors.find(kEmbeddingName), head = tensors.find(kHeadName);
  bool both = embedding != tensors.end() && head != tensors.end();
  if (both) {
    auto a = embedding->second.bytes, b = head->second.bytes;
    bool same = a.data() == b.data() && a.size() == b.size();
    bool equal =
        same || (config.tiedHead && a.size() == b.size() && embedding->second.type == head->second.type &&
                 std::memcmp(a.data(), b.data(), a.size()) == 0);
    if (config.tiedHead && !equal)
      notes.push_back(
          "config.json ties the head to the embedding, but both are stored and differ; each is used, "
          "as transformers does");
    config.tiedHead = equal;
  }
  if (!config.tiedHead)
    return;
  if (embedding == tensors.end() && head != tensors.end())
    tensors.emplace(kEmbeddingName, head->second);
  if (head != tensors.end())
    tensors.erase(head);
}

Result<ParameterStore> nibble::readWeights(const CheckpointFolder &folder, ModelConfig &config,
                                           std::vector<std::string> &notes) {
  NIBBLE_TRY(auto opened, openFiles(folder));
  auto weights = std::make_shared<WeightFiles>(std::move(opened));
  NIBBLE_TRY(auto tensors, collect(*weights));
  addAliases(*weights, tensors);
  settleTie(config, tensors, notes);
  return bindWeights(config, std::move(tensors), Container::HuggingFace, folder.path(), weights);
}
