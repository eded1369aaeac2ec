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

static constexpr size_t kFewestRounds = 3;     // to tell a gain from noise
static constexpr double kSmallestGain = 0.005; // worth a change
static constexpr double kHopeless = 0.02;      // slower by this share in the first rounds
static constexpr double kSearchShare = 0.9;    // of the time: the rest is for step 3

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

/// A candidate, and what rounds gave.
struct Candidate {
  size_t number;                            // at the bench
  int64_t value;                            // of the field
  std::vector<std::vector<double>> seconds; // [round][tokens]

  /// Geometric means over the steps, by round.
  std::vector<double> times() const {
    std::vector<double> means;
    for (const std::vector<double> &round : seconds)
      means.push_back(geometricMean(round));
    return means;
  }
  /// To another in the same rounds: its own first ones.
  Quartiles ratioTo(const Candidate &other) const {
    std::vector<double> ratios = times(), others = other.times();
    for (size_t i = 0; i < ratios.size(); ++i)
      ratios[i] /= others[i];
    return Quartiles(std::move(ratios));
  }
};

class Search {
public:
  Search(const CPUTuning &estimate, TuningBench &bench, const SearchOptions &options)
      : bench(bench), options(options), estimate(estimate) {}

  Result<SearchResult> run();

private:
  Result<bool> turn(const TuningField &field, double doneBefore, double doneAfter);
  Result<std::vector<Candidate>> candidatesOf(const TuningField &field, double doneBefore, double doneAfter);
  Result<void> compareWithEstimate();
  void measure(std::span<Candidate *const> candidates, std::span<const uint32_t> tokens, size_t rounds,
               double until);
  /// Whether so large a share of the time is over.
  bool timeIsUp(double share) { return bench.now() >= share * options.seconds; }

  TuningBench &bench;
  const SearchOptions &options;
  const CPUTuning &estimate;
  SearchResult result;
};

} // namespace

/// Fewer rounds than asked for where the time ends before.
void Search::measure(std::span<Candidate *const> candidates, std::span<const uint32_t> tokens, size_t rounds,
                     double until) {
  std::vector<size_t> numbers;
  for (const Candidate *candidate : candidates)
    numbers.push_back(candidate->number);
  for (; rounds > 0 && !timeIsUp(until); --rounds) {
    auto seconds = bench.measure(numbers, tokens);
    for (size_t i = 0; i < candidates.size(); ++i)
      candidates[i]->seconds.push_back(std::move(seconds[i]));
  }
}

/// The present value first; those whose code is another's are left out.
Result<std::vector<Candidate>> Search::candidatesOf(const TuningField &field, double doneBefore,
                                                    double doneAfter) {
  CPUTuning tuning = result.best;
  NIBBLE_TRY(size_t present, bench.prepare(tuning));
  std::vector<Candidate> candidates = {{present, tuning.*field.member, {}}};
  double step = (doneAfter - doneBefore) / static_cast<double>(field.candidates.size());
  for (int64_t value : field.candidates) {
    if (timeIsUp(kSearchShare))
      break;
    bench.advance(doneBefore += step);
    tuning.*field.member = value;
    NIBBLE_TRY(size_t number, bench.prepare(tuning));
    if (!std::ranges::count(candidates, number, &Candidate::number))
      candidates.push_back({number, value, {}});
  }
  return candidates;
}

/// Whether the field was changed.
Result<bool> Search::turn(const TuningField &field, double doneBefore, double doneAfter) {
  std::vector<uint32_t> tokens;
  for (uint32_t count : options.tokens)
    if (count >= field.leastTokens && count <= field.mostTokens)
      tokens.push_back(count);
  if (tokens.empty())
    return false;
  NIBBLE_TRY(std::vector<Candidate> candidates, candidatesOf(field, doneBefore, doneAfter));
  if (candidates.size() == 1)
    return false;

  // A few rounds leave those that may win.
  std::vector<Candidate *> running;
  for (Candidate &candidate : candidates)
    running.push_back(&candidate);
  const Candidate &present = candidates.front();
  measure(running, tokens, kFewestRounds, kSearchShare);
  if (present.seconds.size() < kFewestRounds) {
    result.complete = false;
    return false;
  }
  std::erase_if(running, [&](Candidate *one) { return one->ratioTo(present).median > 1 + kHopeless; });
  if (running.size() > 1)
    measure(running, tokens, options.rounds - kFewestRounds, kSearchShare);

  const Candidate &best =
      *std::ranges::min_element(candidates.begin() + 1, candidates.end(), {},
                                [&](const Candidate &one) { return one.ratioTo(present).median; });
  Quartiles ratio = best.ratioTo(present);
  result.turns.push_back({field.name, present.value, best.value, medianOf(present.times()),
                          medianOf(best.times()), ratio, ratio.isGain()});
  result.candidates += candidates.size() - 1;
  if (ratio.isGain())
    result.best.*field.member = best.value;
  return ratio.isGain();
}

Result<void> Search::compareWithEstimate() {
  NIBBLE_TRY(size_t before, bench.prepare(estimate));
  NIBBLE_TRY(size_t after, bench.prepare(result.best));
  if (before == after)
    return {};
  Candidate estimated{before, 0, {}}, best{after, 0, {}};
  Candidate *both[] = {&estimated, &best};
  measure(both, options.tokens, options.rounds, 1);
  if (best.seconds.empty())
    return {};
  if (best.seconds.size() >= kFewestRounds && best.ratioTo(estimated).median >= 1)
    result.best = estimate;
  for (size_t i = 0; i < options.tokens.size(); ++i) {
    auto only = [&](const Candidate &all) {
      Candidate one{all.number, 0, {}};
      for (const std::vector<double> &round : all.seconds)
        one.seconds.push_back({round[i]});
      return one;
    };
    Candidate a = only(estimated), b = only(best);
    result.steps.push_back({options.tokens[i], medianOf(a.times()), medianOf(b.times()), b.ratioTo(a)});
  }
  return {};
}

Result<SearchResult> Search::run() {
  result.best = estimate;
  const std::vector<TuningField> &fields = tuningFields();
  size_t settled = 0; // fields that had their turn since the last change, the changed one included
  for (size_t done = 0; settled < fields.size(); ++done) {
    if (timeIsUp(kSearchShare)) {
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
