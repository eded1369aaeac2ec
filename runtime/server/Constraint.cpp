//===- Constraint.cpp - The form that an answer must have -------------------------------------===//

#include "runtime/server/Constraint.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::server;

// Grammars that are kept, and the longest source of one: filling the cache costs a client as much as it costs
// the server.
static constexpr size_t kMostEntries = 64, kMostKeyBytes = 64u << 10;
static constexpr size_t kMostPatternBytes = 64u << 10, kMostAlternatives = 1024;

namespace {
/// Collects the constraint that fields of several names may have.
class ConstraintParser {
public:
  explicit ConstraintParser(Fields &fields) : fields(fields) {}

  void responseFormat() {
    const Json *format = fields.inner("response_format");
    if (!format)
      return;
    Fields inner(*format, "response_format.");
    std::string type = inner.text("type").value_or("");
    if (type == "json_object") {
      set({.kind = Constraint::Kind::AnyObject}, "response_format");
    } else if (type == "json_schema") {
      if (const Json *outer = inner.inner("json_schema")) {
        Fields members(*outer, "response_format.json_schema.");
        members.text("name");
        members.flag("strict");
        if (const Json *schema = members.find("schema"))
          setSchema(*schema, "response_format.json_schema.schema");
        else
          members.fail("schema", "is missing: the JSON schema of the answer");
        take(members);
      } else {
        inner.fail("json_schema", "is missing: {\"name\": ..., \"schema\": {...}}");
      }
    } else if (type != "text") {
      inner.fail("type", "expected \"text\", \"json_object\" or \"json_schema\"");
    }
    take(inner);
  }

  /// vLLM's fields, at the top under "guided_" and in structured_outputs without it.
  void members(Fields &from, const std::string &path, const std::string &prefix) {
    auto name = [&](const char *word) { return prefix + word; };
    if (const Json *schema = from.find(name("json").c_str()))
      setSchema(*schema, path + name("json"));
    if (auto pattern = from.text(name("regex").c_str()))
      setPattern(std::move(*pattern), path + name("regex"));
    if (const Json *choice = from.list(name("choice").c_str()))
      setChoice(*choice, path + name("choice"));
    if (from.flag(name("json_object").c_str()).value_or(false))
      set({.kind = Constraint::Kind::AnyObject}, path + name("json_object"));
    for (const char *word : {"grammar", "structural_tag"})
      if (from.find(name(word).c_str()))
        fields.fail(path + name(word), "is not offered; use a JSON schema, a regular expression or choices");
    take(from);
  }

  Constraint result;

private:
  void take(const Fields &inner) {
    if (&inner != &fields && inner.problem())
      fields.fail(*inner.problem());
  }

  void set(Constraint constraint, const std::string &field) {
    if (result.kind != Constraint::Kind::None)
      fields.fail(field, "the form of the answer is given by " + result.field + " already");
    result = std::move(constraint);
    result.field = field;
  }

  void setSchema(const Json &schema, const std::string &field) {
    if (!schema.is_string())
      return set({.kind = Constraint::Kind::Schema, .schema = schema}, field);
    auto parsed = parseBody(schema.get_ref<const std::string &>());
    if (!parsed)
      return fields.fail(field, "expected a JSON schema, found a string that is none");
    set({.kind = Constraint::Kind::Schema, .schema = std::move(*parsed)}, field);
  }

  void setPattern(std::string pattern, const std::string &field) {
    if (pattern.size() > kMostPatternBytes)
      fields.fail(field, "has " + std::to_string(pattern.size()) + " bytes; at most " +
                             std::to_string(kMostPatternBytes) + " are taken");
    set({.kind = Constraint::Kind::Regex, .pattern = std::move(pattern)}, field);
  }

  void setChoice(const Json &choice, const std::string &field) {
    std::string pattern;
    bool strings = std::all_of(choice.begin(), choice.end(), [](const Json &text) {
      return text.is_string() && !text.get_ref<const std::string &>().empty();
    });
    if (!strings || choice.empty() || choice.size() > kMostAlternatives)
      return fields.fail(field, "expected a list of 1 to " + std::to_string(kMostAlternatives) +
                                    " strings, none of them empty");
    for (const Json &text : choice) {
      pattern += pattern.empty() ? "" : "|";
      for (char c : text.get_ref<const std::string &>()) {
        if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos)
          pattern += '\\';
        pattern += c;
      }
    }
    setPattern(std::move(pattern), field);
  }

  Fields &fields;
};
} // namespace

Constraint server::parseConstraint(Fields &fields) {
  ConstraintParser parser(fields);
  parser.responseFormat();
  parser.members(fields, "", "guided_");
  if (const Json *outputs = fields.inner("structured_outputs")) {
    Fields inner(*outputs, "structured_outputs.");
    parser.members(inner, "structured_outputs.", "");
  }
  return std::move(parser.result);
}

static Result<Grammar> compileGrammar(const Constraint &constraint) {
  switch (constraint.kind) {
  case Constraint::Kind::Schema:
    return Grammar::fromSchema(constraint.schema);
  case Constraint::Kind::Regex:
    return Grammar::fromRegex(constraint.pattern);
  default:
    return Grammar::anyObject();
  }
}

Answered<Grammar> GrammarCache::compile(const Constraint &constraint) {
  std::string key = constraint.kind == Constraint::Kind::Schema  ? "s" + constraint.schema.dump()
                    : constraint.kind == Constraint::Kind::Regex ? "r" + constraint.pattern
                                                                 : "o";
  {
    std::lock_guard lock(mutex);
    auto found = std::find_if(entries.begin(), entries.end(), [&](auto &entry) { return entry.key == key; });
    if (found != entries.end()) {
      entries.splice(entries.begin(), entries, found);
      return found->grammar;
    }
  }
  auto grammar = compileGrammar(constraint);
  if (!grammar)
    return invalid(constraint.field, constraint.field + ": " + grammar.error().message);
  if (key.size() <= kMostKeyBytes) {
    std::lock_guard lock(mutex);
    entries.push_front({std::move(key), *grammar});
    if (entries.size() > kMostEntries)
      entries.pop_back();
  }
  return std::move(*grammar);
}
