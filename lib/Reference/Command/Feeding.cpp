//===- Feeding.cpp - Sequences cut into steps -------------------------------------------------===//
#include "Feeding.h"

#include <algorithm>

using namespace nibble::reference;

void Step::add(size_t sequence, std::span<const int32_t> tokens, int64_t begin, int64_t end, int64_t wanted) {
  if (batch.sequences.start.empty())
    batch.sequences.start.push_back(0);
  for (int64_t position = begin; position < end; ++position) {
    if (position >= end - wanted) {
      batch.logitsRows.push_back(static_cast<int32_t>(batch.tokenIds.size()));
      logits.emplace_back(sequence, position);
    }
    batch.tokenIds.push_back(tokens[position]);
    batch.positions.push_back(static_cast<int32_t>(position));
  }
  batch.sequences.start.push_back(static_cast<int64_t>(batch.tokenIds.size()));
  batch.sequences.sequence.push_back(sequence);
}

std::vector<Step> nibble::reference::planSteps(const std::vector<std::vector<int32_t>> &sequences,
                                               const FeedingOptions &options) {
  std::vector<Step> steps;
  std::vector<int64_t> done(sequences.size());
  while (true) {
    Step step;
    int64_t room = options.mostRows;
    for (size_t s = 0; s < sequences.size() && room > 0; ++s) {
      auto length = static_cast<int64_t>(sequences[s].size());
      int64_t count = done[s] >= options.decodeFrom ? 1 : std::min(length, options.decodeFrom) - done[s];
      if (options.chunk > 0)
        count = std::min(count, options.chunk);
      count = std::min({count, length - done[s], room});
      if (count == 0)
        continue;
      step.add(s, sequences[s], done[s], done[s] + count, count);
      done[s] += count;
      room -= count;
    }
    if (step.batch.tokenIds.empty())
      return steps;
    steps.push_back(std::move(step));
  }
}
