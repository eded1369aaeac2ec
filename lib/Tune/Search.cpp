//===- Search.cpp - Which choices of a tuning are the fastest ---------------------------------===//
//
// 1. Each field in turn: code for its candidates, rounds in which they and the present value take turns; the
// fastest is taken if that is a gain. 2. Again, until every field has had a turn since the last change.
// 3. Estimate and result once more side by side: gains that do not add up are given back.
//
//===------------------------------------------------------------------------------------------===//
#include "lib/Tune/Search.h"

#include <algorithm>
#include <cmath>

using namespace nibble;

static constexpr size_t kFewestRounds = 3;        // to tell a gain from noise
static constexpr double kSmallestGain = 0.005;    // worth a change
static constexpr double kShareOfLastRounds = 0.1; // of the time, kept for step 3

Quartiles::Quartiles(std::vector<double> ratios) {
  std::sort(ratios.begin(), ratios.end());
  size_t last = ratios.size() - 1;
  lower = ratios[last / 4];
  median = (ratios[last / 2] + ratios[(last + 1) / 2]) / 2;
  upper = ratios[last - last / 4];
}

bool Quartiles::isGain() const { return 1 - median > std::max(kSmallestGain, upper - lower); }

static double medianOf(std::vector<double> values) { return Quartiles(std::move(values)).median; }

static double geometricMean(const std::vector<double> &values) {
  double sum = 0;
  for (double value : values)
    sum += std::log(value);
  return std::exp(sum / static_cast<double>(values.size()));
}

namespace {

/// [round][number][tokens] seconds.
using Rounds = std::vector<std::vector<std::vector<double>>>;

class Search {
public:
  Search(const CPUTuning &estimate, TuningBench &bench, const SearchOptions &options)
      : bench(bench), options(options), estimate(estimate) {}

  Result<SearchResult> run();

private:
  Result<bool> turn(const TuningField &field, double doneBefore, double doneAfter);
  Result<void> compareWithEstimate();
  Rounds measure(std::span<const size_t> numbers, std::span<const uint32_t> tokens, double until);
  bool timeIsUp(double share) { return bench.now() >= share * options.seconds; }

  TuningBench &bench;
  const SearchOptions &options;
  const CPUTuning &estimate;
  SearchResult result;
};

} // namespace

/// Fewer rounds than asked for where the time ends before.
Rounds Search::measure(std::span<const size_t> numbers, std::span<const uint32_t> tokens, double until) {
  Rounds rounds;
  while (rounds.size() < options.rounds && !timeIsUp(until))
    rounds.push_back(bench.measure(numbers, tokens));
  return rounds;
}

/// Whether the field was changed.
Result<bool> Search::turn(const TuningField &field, double doneBefore, double doneAfter) {
  const double until = 1 - kShareOfLastRounds;
  std::vector<uint32_t> tokens;
  for (uint32_t count : options.tokens)
    if (count >= field.leastTokens && count <= field.mostTokens)
      tokens.push_back(count);
  if (tokens.empty())
    return false;

  CPUTuning candidate = result.best;
  NIBBLE_TRY(size_t present, bench.prepare(candidate));
  std::vector<size_t> numbers = {present};
  std::vector<int64_t> values = {candidate.*field.member};
  for (size_t i = 0; i < field.candidates.size() && !timeIsUp(until); ++i) {
    bench.advance(std::lerp(doneBefore, doneAfter,
                            static_cast<double>(i) / static_cast<double>(field.candidates.size())));
    candidate.*field.member = field.candidates[i];
    NIBBLE_TRY(size_t number, bench.prepare(candidate));
    if (std::ranges::count(numbers, number))
      continue; // says what another says
    numbers.push_back(number);
    values.push_back(field.candidates[i]);
  }
  if (numbers.size() == 1)
    return false;
  Rounds rounds = measure(numbers, tokens, until);
  if (rounds.size() < kFewestRounds) {
    result.complete = false;
    return false;
  }

  ChoiceTurn turn{.field = field.name, .before = values[0]};
  for (size_t i = 1; i < numbers.size(); ++i) {
    std::vector<double> before, after, ratios;
    for (const auto &round : rounds) {
      before.push_back(geometricMean(round[0]));
      after.push_back(geometricMean(round[i]));
      ratios.push_back(after.back() / before.back());
    }
    Quartiles ratio(ratios);
    if (i > 1 && ratio.median >= turn.ratio.median)
      continue;
    turn.best = values[i];
    turn.beforeSeconds = medianOf(before);
    turn.bestSeconds = medianOf(after);
    turn.ratio = ratio;
  }
  turn.taken = turn.ratio.isGain();
  if (turn.taken)
    result.best.*field.member = turn.best;
  result.candidates += numbers.size() - 1;
  result.turns.push_back(turn);
  return turn.taken;
}

Result<void> Search::compareWithEstimate() {
  NIBBLE_TRY(size_t before, bench.prepare(estimate));
  NIBBLE_TRY(size_t after, bench.prepare(result.best));
  if (before == after)
    return {};
  const size_t numbers[] = {before, after};
  Rounds rounds = measure(numbers, options.tokens, 1);
  std::vector<double> ratios;
  for (const auto &round : rounds)
    ratios.push_back(geometricMean(round[1]) / geometricMean(round[0]));
  if (rounds.size() >= kFewestRounds && Quartiles(ratios).median >= 1)
    result.best = estimate;
  for (size_t i = 0; i < options.tokens.size() && !rounds.empty(); ++i) {
    std::vector<double> estimated, best, ratio;
    for (const auto &round : rounds) {
      estimated.push_back(round[0][i]);
      best.push_back(round[1][i]);
      ratio.push_back(round[1][i] / round[0][i]);
    }
    result.steps.push_back({options.tokens[i], medianOf(estimated), medianOf(best), Quartiles(ratio)});
  }
  return {};
}

Result<SearchResult> Search::run() {
  result.best = estimate;
  const std::vector<TuningField> &fields = tuningFields();
  size_t settled = 0; // fields that had their turn since the last change, the changed one included
  for (size_t done = 0; settled < fields.size(); ++done) {
    if (timeIsUp(1 - kShareOfLastRounds)) {
      result.complete = false;
      break;
    }
    double turns = static_cast<double>(done), left = static_cast<double>(fields.size() - settled);
    NIBBLE_TRY(bool changed, turn(fields[done % fields.size()], turns / (turns + left + 1),
                                  (turns + 1) / (turns + left + 1)));
    settled = changed ? 1 : settled + 1;
  }
  NIBBLE_CHECK(compareWithEstimate());
  result.seconds = bench.now();
  return std::move(result);
}

Result<SearchResult> nibble::searchTuning(const CPUTuning &estimate, TuningBench &bench,
                                          const SearchOptions &options) {
  return Search(estimate, bench, options).run();
}
