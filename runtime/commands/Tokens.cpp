//===- Tokens.cpp - The verbs that turn text into token ids and back --------------------------===//

#include "nibble/runtime/Json.h"
#include "runtime/commands/Text.h"
#include "runtime/commands/Verb.h"
#include "runtime/conversation/Conversation.h"
#include <cstdio>

using namespace nibble;

namespace {
struct TokenFlags {
  bool lines = false, noSpecial = false, noParseSpecial = false;
};
} // namespace

/// Calls `hear` for the whole of stdin, or for each of its lines without their ends.
static Result<void> eachText(bool lines, const std::function<Result<void>(std::string_view)> &hear) {
  NIBBLE_TRY(std::string text, readStandardInput());
  if (!lines)
    return hear(text);
  std::string_view rest = text;
  while (!rest.empty()) {
    size_t end = rest.find('\n');
    NIBBLE_CHECK(hear(rest.substr(0, end)));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return {};
}

static Result<int> runTokenize(const std::string &path, const TokenFlags &flags) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  NIBBLE_TRY(auto tokenizer, openTokenizer(artifact));
  NIBBLE_CHECK(eachText(flags.lines, [&](std::string_view text) -> Result<void> {
    NIBBLE_TRY(auto ids, tokenizer.encode(
                             text, {.addSpecial = !flags.noSpecial, .parseSpecial = !flags.noParseSpecial}));
    std::puts(nlohmann::json(ids).dump().c_str());
    return {};
  }));
  return kExitDone;
}

static Result<int> runDetokenize(const std::string &path, const TokenFlags &flags) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  NIBBLE_TRY(auto tokenizer, openTokenizer(artifact));
  NIBBLE_CHECK(eachText(flags.lines, [&](std::string_view text) -> Result<void> {
    NIBBLE_TRY(auto document, parseJson(text, "standard input", {.bytes = 1u << 30, .depth = 4}));
    JsonProblem problem;
    JsonCursor root(&document, "standard input", problem);
    std::vector<int32_t> ids;
    for (size_t i = 0, count = root.size(); i < count && !problem.first; ++i)
      ids.push_back(static_cast<int32_t>(root[i].integer(0, tokenizer.vocabularySize() - 1)));
    if (problem.first)
      return tl::unexpected(*problem.first);
    std::string decoded = tokenizer.decode(ids, flags.noSpecial);
    // A line of JSON keeps line breaks inside of a text apart from those between texts.
    if (flags.lines)
      decoded = nlohmann::json(decoded).dump() + "\n";
    std::fwrite(decoded.data(), 1, decoded.size(), stdout);
    return {};
  }));
  return kExitDone;
}

void nibble::addTokenVerbs(CLI::App &app, Choice &choice) {
  auto flags = std::make_shared<TokenFlags>();
  CLI::App *verb = addVerb(app, choice, "tokenize", "Turns the text on standard input into JSON token ids",
                           {"tokenize < story.txt", "tokenize --lines --no-special < lines.txt"});
  verb->add_flag("--lines", flags->lines, "One line of JSON for each line of input");
  verb->add_flag("--no-special", flags->noSpecial, "Add no start or end token");
  verb->add_flag("--no-parse-special", flags->noParseSpecial,
                 "Read special tokens in the text as plain text");
  verb->callback([&choice, flags] {
    choice.action = [&choice, flags] { return runTokenize(choice.artifactPath, *flags); };
  });

  auto back = std::make_shared<TokenFlags>();
  verb = addVerb(app, choice, "detokenize", "Turns the JSON token ids on standard input into text",
                 {"detokenize < ids.json", "detokenize --lines --no-special < lines.json"});
  verb->add_flag("--lines", back->lines, "A list of ids a line; prints each text as a JSON string");
  verb->add_flag("--no-special", back->noSpecial, "Leave special tokens out");
  verb->callback([&choice, back] {
    choice.action = [&choice, back] { return runDetokenize(choice.artifactPath, *back); };
  });
}
