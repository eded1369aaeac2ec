//===- Tune.cpp - nibble-compile --tune -------------------------------------------------------===//
#include "lib/Tune/Tune.h"

#include "lib/Tune/LinearBench.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>

using namespace nibble;
using Json = nlohmann::json;

/// A kernel has variants for each tail below a tile; these are decoding alone, small batches, and prompts.
static const std::vector<uint32_t> kTokens = {1, 4, 8, 16, 64, 256};

Result<TuneReport> nibble::tuneLinears(mlir::ModuleOp scheduled, const CPUTarget &target, uint32_t threads,
                                       double seconds, std::function<void(double)> progress) {
  NIBBLE_TRY(auto bench,
             LinearBench::create(scheduled, target, threads, kTokens.back(), std::move(progress)));
  SearchOptions options;
  options.tokens = kTokens;
  options.seconds = seconds;
  NIBBLE_TRY(SearchResult found, searchTuning(target.tuning, *bench, options));
  return TuneReport{target.name, target.tuning, threads, std::move(found)};
}

/// A value that cannot be said is 0, which stands for what the tile model estimates for each kernel.
static std::string valueText(int64_t value, std::string_view field) {
  auto described = std::ranges::find(tuningFields(), field, &TuningField::name);
  return value < described->least ? "estimated" : std::to_string(value);
}

static void printTimes(llvm::raw_ostream &stream, double before, double after, const Quartiles &ratio) {
  stream << llvm::format("%11.3f %9.3f %7.3f  [%.3f %.3f]", before * 1e3, after * 1e3, ratio.median,
                         ratio.lower, ratio.upper);
}

std::string nibble::tuneTable(const TuneReport &report) {
  const SearchResult &found = report.found;
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "tuning    " << report.target << ", " << report.threads
         << (report.threads == 1 ? " thread, " : " threads, ") << found.candidates << " candidates in "
         << llvm::format("%.0f s", found.seconds)
         << (found.complete ? "\n" : "; time was up before every choice had its turn\n");
  stream << llvm::format("  %-18s %10s %10s %11s %9s %7s  %s\n", "choice", "was", "best other", "ms", "ms",
                         "ratio", "[quartiles]");
  for (const ChoiceTurn &turn : found.turns) {
    stream << llvm::format("  %-18s %10s %10s ", std::string(turn.field).c_str(),
                           valueText(turn.before, turn.field).c_str(),
                           valueText(turn.best, turn.field).c_str());
    printTimes(stream, turn.beforeSeconds, turn.bestSeconds, turn.ratio);
    stream << (turn.taken ? "  taken\n" : "\n");
  }
  if (!found.steps.empty())
    stream << llvm::format("  %-40s %11s %9s %7s\n", "linears of a step", "estimate ms", "best ms", "ratio");
  for (const StepTimes &step : found.steps) {
    stream << llvm::format("  %-40s ",
                           (std::to_string(step.tokens) + (step.tokens == 1 ? " token" : " tokens")).c_str());
    printTimes(stream, step.estimateSeconds, step.bestSeconds, step.ratio);
    stream << "\n";
  }
  std::string before = report.estimate.spelling(), after = found.best.spelling();
  stream << "  " << (before == after ? "the estimate stays: " : "tuned for ") << after << "\n";
  return text;
}

Json nibble::tuneJson(const TuneReport &report) {
  auto ratio = [](const Quartiles &q) {
    return Json{{"lower", q.lower}, {"median", q.median}, {"upper", q.upper}};
  };
  Json turns = Json::array(), steps = Json::array();
  for (const ChoiceTurn &turn : report.found.turns)
    turns.push_back({{"choice", turn.field},
                     {"before", turn.before},
                     {"best", turn.best},
                     {"before_seconds", turn.beforeSeconds},
                     {"best_seconds", turn.bestSeconds},
                     {"ratio", ratio(turn.ratio)},
                     {"taken", turn.taken}});
  for (const StepTimes &step : report.found.steps)
    steps.push_back({{"tokens", step.tokens},
                     {"estimate_seconds", step.estimateSeconds},
                     {"best_seconds", step.bestSeconds},
                     {"ratio", ratio(step.ratio)}});
  return {{"target", report.target},
          {"threads", report.threads},
          {"estimate", report.estimate.spelling()},
          {"tuning", report.found.best.spelling()},
          {"candidates", report.found.candidates},
          {"complete", report.found.complete},
          {"seconds", report.found.seconds},
          {"choices", std::move(turns)},
          {"steps", std::move(steps)}};
}
