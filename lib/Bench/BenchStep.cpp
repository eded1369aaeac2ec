//===- BenchStep.cpp - Rows of some sequences, as the engine describes them ---------------------===//
#include "lib/Bench/BenchStep.h"

using namespace nibble;

void BenchStep::add(uint32_t number, uint32_t begin, uint32_t end) {
  for (uint32_t i = begin; i < end; ++i) {
    logits.push_back(static_cast<uint32_t>(ids.size()));
    ids.push_back(static_cast<int32_t>((number * 104729u + i * 7919u + 11) % vocabulary));
    positions.push_back(static_cast<int32_t>(i));
  }
  starts.push_back(static_cast<uint32_t>(ids.size()));
  lengths.push_back(end);
  for (uint32_t page = 0; page < pagesOfSequence; ++page)
    pages.push_back(number * pagesOfSequence + page);
}

NibbleBatch BenchStep::batch(uint32_t pageCount, uint32_t workers) const {
  return {.version = kKernelABIVersion,
          .tokens = static_cast<uint32_t>(ids.size()),
          .sequences = static_cast<uint32_t>(lengths.size()),
          .logitsRows = static_cast<uint32_t>(logits.size()),
          .pageStride = pagesOfSequence,
          .pageCount = pageCount,
          .workers = workers,
          .reserved = 0,
          .tokenId = ids.data(),
          .position = positions.data(),
          .queryStart = starts.data(),
          .kvLength = lengths.data(),
          .pageTable = pages.data(),
          .logitsRow = logits.data()};
}
