//===- GGUFFuzz.cpp - GGUF files: container, model, weights, tokenizer ------------------------===//
//
// The input is the head of a file: metadata and tensor infos. Data follow as zeros, so that mutations are not
// wasted on weights.
//
//===------------------------------------------------------------------------------------------===//

#include "Fuzz.h"
#include "lib/Import/GGUF/GGUFModel.h"

#include <cstring>

using namespace nibble;

static constexpr size_t kDataBytes = 330u << 10; // those of the largest seed

static void readMetadata(const GGUFFile &file) {
  for (std::string_view key : file.keys()) {
    (void)file.string(key);
    (void)file.integer(key);
    (void)file.real(key);
    (void)file.boolean(key);
    (void)file.strings(key);
    (void)file.integers(key);
    (void)file.reals(key);
    (void)file.booleans(key);
  }
}

static void readWeights(const ParameterStore &parameters) {
  for (const StoredTensor &tensor : parameters.tensors()) {
    fuzz::require(parameters.readRows(tensor, 0, 1).has_value() &&
                      parameters.readRows(tensor, tensor.rows() - 1, tensor.rows()).has_value(),
                  "rows of a bound weight can be read");
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::vector<std::byte> bytes(size + kDataBytes);
  std::memcpy(bytes.data(), data, size);
  auto file = GGUFFile::parse(bytes, "input.gguf");
  if (!file)
    return 0;
  readMetadata(*file);
  if (auto metadata = readGGUFTokenizerMetadata(*file))
    if (auto spec = importGGUFTokenizer(*metadata))
      fuzz::useTokenizer(*spec, "");
  if (auto checkpoint = importGGUF(std::move(*file)))
    readWeights(checkpoint->parameters);
  return 0;
}
