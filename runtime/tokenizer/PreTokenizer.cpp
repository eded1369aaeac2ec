//===- PreTokenizer.cpp - Steps that cut a text into words ------------------------------------===//
//
// A split first lists matches and the gaps between them, which together cover the piece, then joins
// neighbours as its behaviour says. Empty words vanish.
//
//===------------------------------------------------------------------------------------------===//

#include "Steps.h"

using namespace nibble;
using namespace nibble::tokenizer;

namespace {

/// A match, or the gap between two.
struct Part {
  Range range;
  bool isMatch;
};

} // namespace

static std::vector<Range> findString(std::string_view text, std::string_view pattern) {
  std::vector<Range> matches;
  for (size_t at = 0; (at = text.find(pattern, at)) != text.npos; at += pattern.size())
    matches.push_back({at, at + pattern.size()});
  return matches;
}

static std::vector<Part> coverWithGaps(const std::vector<Range> &matches, size_t size, bool invert) {
  std::vector<Part> parts;
  parts.reserve(matches.size() + 1);
  size_t done = 0;
  for (Range match : matches) {
    if (done != match.begin)
      parts.push_back({{done, match.begin}, invert});
    parts.push_back({match, !invert});
    done = match.end;
  }
  if (done != size)
    parts.push_back({{done, size}, invert});
  return parts;
}

/// Joins the parts that `behaviour` keeps together. `parts` covers the piece without a break.
static std::vector<Range> join(const std::vector<Part> &parts, SplitBehaviour behaviour) {
  std::vector<Range> words;
  words.reserve(parts.size());
  bool previous = false; // whether the neighbour was a match
  bool again = false;    // whether a part before this one was kept
  auto keepsWithBefore = [&](const Part &part) {
    if (behaviour == SplitBehaviour::MergedWithPrevious)
      return part.isMatch && !previous;
    return behaviour == SplitBehaviour::Contiguous && part.isMatch == previous;
  };
  if (behaviour == SplitBehaviour::MergedWithNext) {
    // The mirror image of MergedWithPrevious: from the end, a match takes in the gap behind it.
    for (size_t i = parts.size(); i-- > 0;) {
      if (parts[i].isMatch && !previous && again)
        words.back().begin = parts[i].range.begin;
      else
        words.push_back(parts[i].range);
      previous = parts[i].isMatch;
      again = true;
    }
    return {words.rbegin(), words.rend()};
  }
  for (const Part &part : parts) {
    if (behaviour == SplitBehaviour::Removed && part.isMatch)
      continue;
    if (again && keepsWithBefore(part))
      words.back().end = part.range.end;
    else
      words.push_back(part.range);
    previous = part.isMatch;
    again = true;
  }
  return words;
}

/// Appends the words that `matches` cut out of `piece`.
static void split(const Piece &piece, const std::vector<Range> &matches, uint32_t argument,
                  std::vector<Piece> &words) {
  auto behaviour = static_cast<SplitBehaviour>(argument & ~invertSplit);
  for (Range word : join(coverWithGaps(matches, piece.text.size(), argument & invertSplit), behaviour))
    if (word.begin != word.end)
      words.push_back(
          {piece.text.substr(word.begin, word.end - word.begin), piece.atStart && word.begin == 0});
}

/// `piece` with its spaces replaced, and with the replacement before it where the scheme asks for that.
static Piece escapeSpaces(const PreparedStep &step, const Piece &piece, std::deque<std::string> &texts) {
  std::string &text = texts.emplace_back();
  for (char c : piece.text) {
    if (c == ' ')
      text += step.first;
    else
      text += c;
  }
  auto scheme = static_cast<MetaspaceScheme>(step.argument & ~metaspaceSplits);
  bool wanted = scheme == MetaspaceScheme::Always || (scheme == MetaspaceScheme::First && piece.atStart);
  if (wanted && !text.starts_with(step.first))
    text.insert(0, step.first);
  return {text, piece.atStart};
}

static Result<void> apply(const PreparedStep &step, const Piece &piece, std::vector<Piece> &words,
                          std::deque<std::string> &texts, RegexScratch &scratch) {
  switch (step.kind) {
  case StepKind::SplitRegex: {
    NIBBLE_TRY(auto matches, step.regex.findAll(piece.text, scratch));
    split(piece, matches, step.argument, words);
    break;
  }
  case StepKind::SplitString:
    split(piece, findString(piece.text, step.first), step.argument, words);
    break;
  case StepKind::PrefixSpace:
    if (piece.text.starts_with(' '))
      words.push_back(piece);
    else
      words.push_back({texts.emplace_back(" " + std::string(piece.text)), piece.atStart});
    break;
  case StepKind::Metaspace: {
    Piece escaped = escapeSpaces(step, piece, texts);
    if (step.argument & metaspaceSplits)
      split(escaped, findString(escaped.text, step.first),
            static_cast<uint32_t>(SplitBehaviour::MergedWithNext), words);
    else
      words.push_back(escaped);
    break;
  }
  default: // a normalizer: the segment's checks let none into this list
    break;
  }
  return {};
}

Result<std::vector<Piece>> nibble::tokenizer::preTokenize(std::span<const PreparedStep> steps, Piece piece,
                                                          std::deque<std::string> &texts,
                                                          RegexScratch &scratch) {
  std::vector<Piece> words{piece};
  for (const PreparedStep &step : steps) {
    std::vector<Piece> next;
    for (const Piece &word : words)
      NIBBLE_CHECK(apply(step, word, next, texts, scratch));
    words = std::move(next);
  }
  return words;
}
