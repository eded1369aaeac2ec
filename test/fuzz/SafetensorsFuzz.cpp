//===- SafetensorsFuzz.cpp - Safetensors files, and the rows of their weights -----------------===//

#include "Fuzz.h"
#include "lib/Import/HuggingFace/Safetensors.h"
#include "nibble/Import/ParameterStore.h"

using namespace nibble;

static std::optional<StorageType> storageOf(std::string_view dtype) {
  for (StorageType type : {StorageType::F32, StorageType::F16, StorageType::BF16})
    if (dtype == storageName(type))
      return type;
  return std::nullopt;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto file = SafetensorsFile::parse(std::as_bytes(std::span(data, size)), "input.safetensors");
  if (!file)
    return 0;
  ParameterStore store;
  for (const SafetensorsTensor &tensor : file->tensors()) {
    fuzz::require(file->find(tensor.name) == &tensor, "every tensor is found by its name");
    auto storage = storageOf(tensor.dtype);
    auto bytes = file->data(tensor);
    if (!storage || tensor.shape.empty() || tensor.shape.size() > 2 || bytes.empty())
      continue;
    StoredTensor stored{.name = tensor.name, .shape = {}, .storage = *storage, .bytes = bytes};
    stored.shape.assign(tensor.shape.begin(), tensor.shape.end());
    fuzz::require(store.add(stored).has_value(), "a checked tensor has the bytes of its shape");
    auto rows = store.readRows(tensor.name, 0, stored.rows());
    fuzz::require(rows.has_value(), "rows of a stored tensor can be read");
  }
  return 0;
}
