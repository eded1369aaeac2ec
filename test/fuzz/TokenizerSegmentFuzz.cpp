//===- TokenizerSegmentFuzz.cpp - A compiled tokenizer, damaged -------------------------------===//

#include "Fuzz.h"

#include <cstring>
#include <vector>

using namespace nibble;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::vector<std::byte> segment(size); // as aligned as a mapping is
  if (size)
    std::memcpy(segment.data(), data, size);
  fuzz::useSegment(segment, fuzz::text(data, std::min<size_t>(size, 100)), /*mustOpen=*/false);
  return 0;
}
