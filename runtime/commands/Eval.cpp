//===- Eval.cpp - The verb that measures a model on a text ------------------------------------===//

#include "nibble/runtime/Npy.h"
#include "nibble/runtime/Tokenizer.h"
#include "runtime/commands/TeacherForcing.h"
#include "runtime/commands/Verb.h"
#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace nibble;

namespace {

struct EvalFlags {
  RunFlags run;
  std::string text, tokens, save, against;
  uint32_t window = 0;
  bool json = false;
};

/// Mean and standard error of a stream of numbers (Welford 1962).
struct Mean {
  uint64_t count = 0;
  double mean = 0, squares = 0;
  void add(double value) {
    ++count;
    double delta = value - mean;
    mean += delta / static_cast<double>(count);
    squares += delta * (value - mean);
  }
  /// Half of the 95% confidence interval.
  double margin() const {
    auto n = static_cast<double>(count);
    return count > 1 ? 1.96 * std::sqrt(squares / (n - 1) / n) : 0;
  }
};

/// A share of successes with its 95% confidence interval (Wilson 1927).
struct Share {
  uint64_t count = 0, hits = 0;
  double value() const { return count ? static_cast<double>(hits) / static_cast<double>(count) : 0; }
  std::pair<double, double> interval() const {
    if (count == 0)
      return {0, 1};
    double n = static_cast<double>(count), z = 1.96, p = value();
    double middle = (p + z * z / (2 * n)) / (1 + z * z / n);
    double half = z / (1 + z * z / n) * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
  }
};

struct Measures {
  Mean loss;       // -log p of each next token, nats
  Mean divergence; // KL(stored, this) at each position, nats
  Share agreement; // of the most probable token
};

} // namespace

// Positions of a window unless --window says otherwise, where the context holds as many.
static constexpr uint32_t kDefaultWindow = 512;

/// log of the sum of exp of a row, and its largest element.
static std::pair<double, size_t> logSum(std::span<const float> row) {
  size_t top = static_cast<size_t>(std::max_element(row.begin(), row.end()) - row.begin());
  double sum = 0;
  for (float value : row)
    sum += std::exp(static_cast<double>(value) - static_cast<double>(row[top]));
  return {static_cast<double>(row[top]) + std::log(sum), top};
}

/// sum p (log p - log q) of two rows of logits.
static double divergence(std::span<const float> p, double logSumP, std::span<const float> q, double logSumQ) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    double logP = static_cast<double>(p[i]) - logSumP;
    sum += std::exp(logP) * (logP - (static_cast<double>(q[i]) - logSumQ));
  }
  return sum;
}

/// Cuts a text into windows; where the tokenizer puts a start token in front of a text, each window has one.
static Result<std::vector<std::vector<int32_t>>> windowsOfText(const Artifact &artifact,
                                                               const std::string &path, uint32_t window) {
  auto segment = artifact.segment("tokenizer");
  if (segment.empty())
    return failure(artifact.path() + ": has no tokenizer; give --tokens FILE.json");
  NIBBLE_TRY(auto tokenizer, Tokenizer::open(segment));
  NIBBLE_TRY(auto file, MappedFile::open(path));
  NIBBLE_TRY(auto ids, tokenizer.encode(file.text(), {.addSpecial = false, .parseSpecial = false}));
  std::vector<int32_t> front(tokenizer.prefix().begin(), tokenizer.prefix().end());
  if (window <= front.size() + 1)
    return failure("--window=" + std::to_string(window) + ": expected at least " +
                   std::to_string(front.size() + 2));
  std::vector<std::vector<int32_t>> windows;
  size_t step = window - front.size();
  for (size_t begin = 0; begin < ids.size(); begin += step) {
    windows.push_back(front);
    auto end = ids.begin() + static_cast<ptrdiff_t>(std::min(begin + step, ids.size()));
    windows.back().insert(windows.back().end(), ids.begin() + static_cast<ptrdiff_t>(begin), end);
  }
  return windows;
}

static std::vector<std::vector<int32_t>> cutIntoWindows(const std::vector<std::vector<int32_t>> &sequences,
                                                        uint32_t window) {
  std::vector<std::vector<int32_t>> windows;
  for (const auto &sequence : sequences)
    for (size_t begin = 0; begin < sequence.size(); begin += window) {
      auto part = std::span(sequence).subspan(begin, std::min<size_t>(window, sequence.size() - begin));
      windows.emplace_back(part.begin(), part.end());
    }
  return windows;
}

static void printMeasures(const Measures &measures, const EvalFlags &flags, uint64_t windows,
                          uint64_t positions) {
  double low = std::exp(measures.loss.mean - measures.loss.margin()),
         high = std::exp(measures.loss.mean + measures.loss.margin());
  auto [shareLow, shareHigh] = measures.agreement.interval();
  if (flags.json) {
    nlohmann::ordered_json document = {{"windows", windows},
                                       {"positions", positions},
                                       {"predicted", measures.loss.count},
                                       {"loss", measures.loss.mean},
                                       {"perplexity", std::exp(measures.loss.mean)},
                                       {"perplexity_interval", {low, high}}};
    if (!flags.against.empty()) {
      document["kl"] = measures.divergence.mean;
      document["kl_interval"] = {measures.divergence.mean - measures.divergence.margin(),
                                 measures.divergence.mean + measures.divergence.margin()};
      document["top1_agreement"] = measures.agreement.value();
      document["top1_interval"] = {shareLow, shareHigh};
    }
    std::puts(document.dump().c_str());
    return;
  }
  std::printf("%llu windows, %llu positions\n", static_cast<unsigned long long>(windows),
              static_cast<unsigned long long>(positions));
  if (measures.loss.count)
    std::printf("perplexity          %.4f  (95%%: %.4f to %.4f), %.5f nats a token over %llu tokens\n",
                std::exp(measures.loss.mean), low, high, measures.loss.mean,
                static_cast<unsigned long long>(measures.loss.count));
  if (!flags.against.empty()) {
    std::printf("KL(stored, this)    %.6f nats  (95%%: +- %.6f)\n", measures.divergence.mean,
                measures.divergence.margin());
    std::printf("top-1 agreement     %.3f%%  (95%%: %.3f%% to %.3f%%)\n", measures.agreement.value() * 100,
                shareLow * 100, shareHigh * 100);
  }
}

static Result<int> runEval(const std::string &path, const EvalFlags &flags) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  const ModelInfo &model = artifact.manifest().model;
  uint32_t context = flags.run.context ? flags.run.context : model.defaultContext;
  std::vector<std::vector<int32_t>> windows;
  if (!flags.tokens.empty()) {
    NIBBLE_TRY(windows, readTokenFile(flags.tokens, model.vocabulary));
    if (flags.window)
      windows = cutIntoWindows(windows, flags.window);
  } else {
    NIBBLE_TRY(windows, windowsOfText(artifact, flags.text,
                                      flags.window ? flags.window : std::min(kDefaultWindow, context)));
  }
  uint64_t positions = 0;
  std::vector<uint64_t> firstRow;
  for (const auto &window : windows) {
    firstRow.push_back(positions);
    positions += window.size();
  }
  if (positions == 0)
    return failure((flags.tokens.empty() ? flags.text : flags.tokens) + ": has no tokens to evaluate");

  std::optional<NpyMatrix> stored;
  if (!flags.against.empty()) {
    NIBBLE_TRY(stored, NpyMatrix::open(flags.against));
    if (stored->rows() != positions || stored->columns() != model.vocabulary)
      return failure(flags.against + ": holds " + std::to_string(stored->rows()) + " x " +
                     std::to_string(stored->columns()) + " logits; this text and model give " +
                     std::to_string(positions) + " x " + std::to_string(model.vocabulary) +
                     "; save them on the same text with the same --window");
  }
  std::optional<NpyWriter> writer;
  if (!flags.save.empty()) {
    NIBBLE_TRY(auto created, NpyWriter::create(flags.save, positions, model.vocabulary));
    writer.emplace(std::move(created));
  }
  NIBBLE_TRY(auto options, engineOptions(flags.run));
  setBudgets(options, model, windows, {});
  NIBBLE_TRY(auto engine, startEngine(artifact, options, flags.run));

  Measures measures;
  uint64_t done = 0;
  auto hear = [&](size_t sequence, uint32_t position, std::span<const float> logits) -> Result<void> {
    const std::vector<int32_t> &tokens = windows[sequence];
    auto [sum, top] = logSum(logits);
    if (position + 1 < tokens.size())
      measures.loss.add(sum - static_cast<double>(logits[static_cast<size_t>(tokens[position + 1])]));
    uint64_t row = firstRow[sequence] + position;
    if (stored) {
      auto other = stored->row(row);
      auto [otherSum, otherTop] = logSum(other);
      measures.divergence.add(divergence(other, otherSum, logits, sum));
      ++measures.agreement.count;
      measures.agreement.hits += top == otherTop;
    }
    if (++done % 4096 == 0)
      std::fprintf(stderr, "\r%llu of %llu positions", static_cast<unsigned long long>(done),
                   static_cast<unsigned long long>(positions));
    return writer ? writer->write(row, logits) : Result<void>();
  };
  NIBBLE_CHECK(feedAll(engine, windows, {}, hear));
  if (done >= 4096)
    std::fputs("\r\033[K", stderr);
  if (writer)
    NIBBLE_CHECK(writer->finish());
  printMeasures(measures, flags, windows.size(), positions);
  printProfile(engine);
  return kExitDone;
}

void nibble::addEvalVerb(CLI::App &app, Choice &choice) {
  auto flags = std::make_shared<EvalFlags>();
  CLI::App *verb =
      addVerb(app, choice, "eval", "Measures perplexity, and the divergence from stored logits",
              {"eval --text wiki.txt --window 512", "eval --tokens windows.json --save-logits f32.npy",
               "eval --tokens windows.json --against f32.npy --json"});
  auto *input = verb->add_option_group("input");
  input->add_option("--text", flags->text, "A text file, cut into windows that are read independently");
  input->add_option("--tokens", flags->tokens, "JSON [[ids...], ...]: each list is a window");
  input->require_option(1);
  verb->add_option("--window", flags->window,
                   "Positions of a window (default: 512, or the context if that is less)")
      ->check(CLI::Range(2, 1 << 28));
  verb->add_option("--save-logits", flags->save, "Store all logits, float32 .npy");
  verb->add_option("--against", flags->against, "Compare with logits stored before");
  verb->add_flag("--json", flags->json, "Print the result as JSON");
  addRunFlags(*verb, flags->run);
  verb->callback([&choice, flags] {
    choice.action = [&choice, flags] { return runEval(choice.artifactPath, *flags); };
  });
}
