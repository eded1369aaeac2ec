//===- Workload.cpp - When requests come, and how long they are -------------------------------===//

#include "runtime/load/Workload.h"
#include <algorithm>
#include <charconv>
#include <cmath>

using namespace nibble;
using namespace nibble::load;
using Json = nlohmann::json;

/// More tokens than this are taken for a slip.
static constexpr uint32_t kMostTokens = 1u << 20;

Random nibble::load::randomFor(uint64_t seed, uint64_t stream) {
  std::seed_seq sequence{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32),
                         static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)};
  return Random(sequence);
}

Result<Lengths> Lengths::parse(const std::string &text) {
  Lengths lengths;
  auto bad = [&] {
    return failure("'" + text + "' is no length: expected a number of tokens such as 128, " +
                   "lognormal:MEAN:SIGMA, exponential:MEAN:CAP, sharegpt-prompt or sharegpt-output");
  };
  // The means are those of Kwon et al. 2023, section 6.1; the sigmas are ours, as the paper shows the spread
  // in a histogram only.
  if (text == "sharegpt-prompt" || text == "sharegpt-output") {
    bool prompt = text == "sharegpt-prompt";
    lengths.kind = Kind::LogNormal;
    lengths.mean = prompt ? 161.31 : 337.99;
    lengths.sigma = prompt ? 1.2 : 0.9;
    lengths.cap = 2048;
    return lengths;
  }
  std::vector<std::string> words = {""};
  for (char c : text)
    if (c == ':')
      words.emplace_back();
    else
      words.back() += c;
  auto number = [](const std::string &word, double least, double most) {
    double value = 0;
    auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), value);
    bool good = code == std::errc() && end == word.data() + word.size() && value >= least && value <= most;
    return good ? value : -1;
  };
  if (words.size() == 1) {
    lengths.mean = number(words[0], 1, kMostTokens);
    if (lengths.mean < 0 || lengths.mean != std::floor(lengths.mean))
      return bad();
    lengths.cap = static_cast<uint32_t>(lengths.mean);
    return lengths;
  }
  if (words.size() != 3)
    return bad();
  lengths.mean = number(words[1], 1, kMostTokens);
  if (lengths.mean < 0)
    return bad();
  if (words[0] == "lognormal") {
    lengths.kind = Kind::LogNormal;
    lengths.sigma = number(words[2], 0, 5);
    if (lengths.sigma < 0)
      return bad();
    // Beyond four standard deviations there is hardly anything: 1 of 30,000.
    double most = lengths.mean * std::exp(4 * lengths.sigma - lengths.sigma * lengths.sigma / 2);
    lengths.cap = static_cast<uint32_t>(std::clamp<double>(most, 1, kMostTokens));
  } else if (words[0] == "exponential") {
    lengths.kind = Kind::Exponential;
    double most = number(words[2], 1, kMostTokens);
    if (most < 0)
      return bad();
    lengths.cap = static_cast<uint32_t>(most);
  } else {
    return bad();
  }
  return lengths;
}

uint32_t Lengths::draw(Random &random) const {
  double value = mean;
  if (kind == Kind::LogNormal) // the mean of exp(N(mu, sigma)) is exp(mu + sigma^2 / 2)
    value = std::lognormal_distribution<double>(std::log(mean) - sigma * sigma / 2, sigma)(random);
  else if (kind == Kind::Exponential)
    value = std::exponential_distribution<double>(1 / mean)(random);
  return static_cast<uint32_t>(std::clamp<double>(std::round(value), 1, cap));
}

std::vector<double> nibble::load::arrivalTimes(size_t count, double rate, double burstiness, Random &random) {
  std::vector<double> times(count, 0.0);
  if (std::isinf(rate))
    return times;
  std::gamma_distribution<double> interval(burstiness, 1 / (rate * burstiness));
  double time = 0;
  for (double &at : times)
    at = time += interval(random);
  return times;
}

static const char *const kWords[] = {
    "the",    "of",    "and",   "to",    "in",    "is",    "you",   "that",   "it",   "he",    "was",
    "for",    "on",    "are",   "as",    "with",  "his",   "they",  "at",     "be",   "this",  "have",
    "from",   "or",    "one",   "had",   "by",    "word",  "but",   "not",    "what", "all",   "were",
    "we",     "when",  "your",  "can",   "said",  "there", "use",   "an",     "each", "which", "she",
    "do",     "how",   "their", "if",    "will",  "up",    "other", "about",  "out",  "many",  "then",
    "them",   "these", "so",    "some",  "her",   "would", "make",  "like",   "him",  "into",  "time",
    "has",    "look",  "two",   "more",  "write", "go",    "see",   "number", "no",   "way",   "could",
    "people", "my",    "than",  "first", "water", "been",  "call",  "who",    "oil",  "its",   "now"};

Json nibble::load::makePrompt(const PromptSource &source, uint32_t tokens, Random &random) {
  Random shared = randomFor(0, UINT64_MAX); // the same beginning for all
  auto draw = [&](uint32_t index, uint64_t least, uint64_t most) {
    return std::uniform_int_distribution<uint64_t>(least,
                                                   most)(index < source.sharedTokens ? shared : random);
  };
  if (!source.words && !source.chat) {
    // Special tokens are among the first or the last of a vocabulary.
    uint64_t least = source.vocabulary / 16, most = std::max<uint64_t>(source.vocabulary - least, 1) - 1;
    Json ids = Json::array();
    for (uint32_t i = 0; i < tokens; ++i)
      ids.push_back(draw(i, least, most));
    return ids;
  }
  std::string text;
  for (uint32_t i = 0; i < tokens; ++i)
    text.append(i ? " " : "").append(kWords[draw(i, 0, std::size(kWords) - 1)]);
  if (source.chat)
    return Json::array({{{"role", "user"}, {"content", text}}});
  return text;
}
