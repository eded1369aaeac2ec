//===- TokenizerFuzz.cpp - tokenizer.json, compiled and used ----------------------------------===//

#include "Fuzz.h"

using namespace nibble;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view json = fuzz::text(data, size);
  auto spec = importHuggingFaceTokenizer(
      HuggingFaceTokenizerFiles{.source = "tokenizer.json", .tokenizer = json, .config = {}, .map = {}});
  if (spec)
    fuzz::useTokenizer(*spec, json.substr(0, 200));
  return 0;
}
