//===- WeightBinding.cpp - From a container's tensors to a model's weights --------------------===//

#include "WeightBinding.h"

#include "JsonObject.h"

#include <algorithm>

using namespace nibble;

std::string nibble::shapeText(const std::vector<int64_t> &shape) {
  std::string text;
  for (int64_t extent : shape)
    text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + text + "]";
}

static std::optional<StorageType> storageOf(const std::string &type) {
  for (StorageType storage : {StorageType::F32, StorageType::F16, StorageType::BF16, StorageType::Q4_0,
                              StorageType::Q4_1, StorageType::Q8_0, StorageType::IQ4_NL})
    if (type == storageName(storage))
      return storage;
  return std::nullopt;
}

/// What old versions of transformers stored although it follows from the configuration.
static bool isHarmless(std::string_view name) { return name.ends_with("rotary_emb.inv_freq"); }

static Result<StoredTensor> bindWeight(const WeightSpec &spec, const ContainerTensor &tensor,
                                       const std::string &shown, Container container,
                                       const Architecture &architecture) {
  auto storage = storageOf(tensor.type);
  if (!storage)
    return failure(tensor.file + ": weight " + shown + " is stored as " + tensor.type +
                   "; expected F32, F16, BF16" +
                   (container == Container::GGUF ? ", Q8_0, Q4_0, Q4_1 or IQ4_NL" : ""));
  if (tensor.shape != spec.shape)
    return failure(tensor.file + ": weight " + shown + " has the shape " + shapeText(tensor.shape) +
                   "; the configuration asks for " + shapeText(spec.shape));
  StoredTensor stored{spec.name, spec.shape, *storage, tensor.bytes, 0, tensor.mapped};
  if (container == Container::GGUF && architecture.ggufInterleavedRotary)
    stored.interleavedHeads = spec.rotaryHeads;
  return stored;
}

Result<ParameterStore> nibble::bindWeights(const ModelConfig &config, ContainerTensors tensors,
                                           Container container, const std::string &checkpoint,
                                           std::shared_ptr<const void> owner) {
  ParameterStore store(std::move(owner));
  for (const WeightSpec &spec : weightsOf(config)) {
    const std::string &name = container == Container::GGUF ? spec.gguf : spec.name;
    auto found = tensors.find(name);
    if (found == tensors.end())
      return failure(checkpoint + ": has no weight '" + name + "' " + shapeText(spec.shape) +
                     ", which the architecture " + std::string(config.architecture->name) +
                     " needs; is a file missing?");
    NIBBLE_TRY(auto stored,
               bindWeight(spec, found->second, "'" + name + "'", container, *config.architecture));
    std::string file = found->second.file;
    if (auto added = store.add(std::move(stored)); !added)
      return failure(file + ": " + added.error().message);
    tensors.erase(found);
  }
  if (config.tiedHead)
    NIBBLE_CHECK(store.addAlias(kHeadName, kEmbeddingName));
  std::erase_if(tensors, [](const auto &entry) { return isHarmless(entry.first); });
  if (!tensors.empty()) {
    const auto &[name, tensor] = *tensors.begin();
    std::string others = tensors.size() > 1 ? " (and " + std::to_string(tensors.size() - 1) + " more)" : "";
    return failure(tensor.file + ": has the weight " + quotedName(name) + others +
                   ", which the architecture " + std::string(config.architecture->name) +
                   " does not know with this configuration; is it another model, or a newer variant of it?");
  }
  return store;
}
