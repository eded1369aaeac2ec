//===- GGUFModel.cpp - A GGUF file as a checkpoint --------------------------------------------===//
//
// A split model is several GGUF files named NAME-00001-of-0000N.gguf; the first has the metadata.
//
//===------------------------------------------------------------------------------------------===//

#include "GGUFModel.h"

#include "../JsonObject.h"
#include "../WeightBinding.h"

#include <cstdio>
#include <filesystem>

using namespace nibble;

static constexpr int64_t mostFiles = 1024; // of a split model

static std::string splitSuffix(int64_t number, int64_t count) {
  char suffix[40];
  std::snprintf(suffix, sizeof(suffix), "-%05d-of-%05d.gguf", int(number), int(count));
  return suffix;
}

/// The files of a split model after the first.
static Result<std::vector<GGUFFile>> openRest(const GGUFFile &first) {
  std::vector<GGUFFile> rest;
  NIBBLE_TRY(auto count, first.integerOr("split.count", 1));
  if (count <= 1)
    return rest;
  NIBBLE_TRY(auto number, first.integerOr("split.no", 0));
  if (count > mostFiles)
    return failure(first.path() + ": claims to be one of " + std::to_string(count) + " files (split.count)");
  std::string path = first.path();
  if (number != 0 || !path.ends_with(splitSuffix(1, count)))
    return failure(path + ": is file " + std::to_string(number + 1) + " of a model split into " +
                   std::to_string(count) + "; give the first, whose name ends in " + splitSuffix(1, count));
  path.resize(path.size() - splitSuffix(1, count).size());
  for (int64_t i = 2; i <= count; ++i) {
    NIBBLE_TRY(auto file, GGUFFile::open(path + splitSuffix(i, count)));
    rest.push_back(std::move(file));
  }
  return rest;
}

namespace {
/// Keeps the mappings that the weights point into.
struct Mappings {
  std::shared_ptr<const GGUFFile> first;
  std::vector<GGUFFile> rest;

  const GGUFTensor *find(std::string_view name) const {
    const GGUFTensor *tensor = first->findTensor(name);
    for (size_t i = 0; i < rest.size() && !tensor; ++i)
      tensor = rest[i].findTensor(name);
    return tensor;
  }
};
} // namespace

static Result<void> collect(const GGUFFile &file, ContainerTensors &tensors) {
  for (const GGUFTensor &tensor : file.tensors()) {
    if (tensor.name == "rope_freqs.weight")
      continue; // read with the configuration
    ContainerTensor entry{
        file.path(), {}, ggufTensorTypeInfo(uint32_t(tensor.type))->name, tensor.data, true};
    for (size_t i = tensor.shape.size(); i-- > 0;) // ne[0] runs fastest
      entry.shape.push_back(int64_t(tensor.shape[i]));
    if (!tensors.emplace(tensor.name, std::move(entry)).second)
      return failure(file.path() + ": tensor " + quotedName(tensor.name) + " is in another file too");
  }
  return {};
}

Result<Checkpoint> nibble::importGGUF(GGUFFile opened) {
  auto mappings = std::make_shared<Mappings>();
  mappings->first = std::make_shared<const GGUFFile>(std::move(opened));
  const GGUFFile &file = *mappings->first;
  NIBBLE_TRY(mappings->rest, openRest(file));

  Checkpoint checkpoint;
  checkpoint.path = file.path();
  checkpoint.gguf = mappings->first;
  NIBBLE_TRY(checkpoint.config,
             readGGUFConfig(file, [&](std::string_view name) { return mappings->find(name); }));
  NIBBLE_TRY(checkpoint.templates, readGGUFTokenizerKeys(file, checkpoint.config));
  ContainerTensors tensors;
  NIBBLE_CHECK(collect(file, tensors));
  for (const GGUFFile &other : mappings->rest)
    NIBBLE_CHECK(collect(other, tensors));
  NIBBLE_TRY(checkpoint.parameters,
             bindWeights(checkpoint.config, std::move(tensors), Container::GGUF, file.path(), mappings));
  return checkpoint;
}

Result<Checkpoint> nibble::openGGUF(const std::string &path) {
  NIBBLE_TRY(auto file, GGUFFile::open(path));
  return importGGUF(std::move(file));
}
