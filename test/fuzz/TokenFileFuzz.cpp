//===- TokenFileFuzz.cpp - Token ids in JSON --------------------------------------------------===//

#include "Fuzz.h"
#include "nibble/runtime/TokenFile.h"

using namespace nibble;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto sequences = parseTokens(fuzz::text(data, size), "tokens.json", 1000);
  if (!sequences)
    return 0;
  fuzz::require(!sequences->empty(), "there is at least one sequence");
  for (const auto &sequence : *sequences) {
    fuzz::require(!sequence.empty(), "no list is empty");
    for (int32_t id : sequence)
      fuzz::require(id >= 0 && id < 1000, "every id is below the vocabulary");
  }
  return 0;
}
