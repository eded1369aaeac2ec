//===- ToolCalls.h - Calls of functions in a model's text ---------------------------*- C++ -*-===//
//
// Models write calls in the style that their chat template taught them; OpenAI's clients want them apart from
// the text. A parser takes the text as it comes and never waits longer than a mark may last; what looks like
// a call and is none stays text, to the byte.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Grammar.h"
#include "nibble/runtime/Result.h"
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nibble::server {

enum class ToolStyle : uint8_t {
  Llama3,      // {"name": "f", "parameters": {...}}, also behind <|python_tag|>; several with ';' between
  Hermes,      // <tool_call>\n{"name": "f", "arguments": {...}}\n</tool_call>, also Qwen's; several in a row
  Mistral,     // [TOOL_CALLS][{"name": "f", "arguments": {...}}, ...]
  MistralArgs, // [TOOL_CALLS]f[ARGS]{...}, several in a row; the parser reads both of Mistral's for either
};
/// "llama3", "hermes", "mistral", "mistral-args".
std::string_view toolStyleName(ToolStyle style);
/// For --tool-style; "qwen" is Hermes's too. The error lists the names.
Result<ToolStyle> parseToolStyle(std::string_view name);
/// What a chat template's source asks for; nothing where it has no style that is known (tools that the model
/// never sees can still be forced, in Hermes's style for instance).
std::optional<ToolStyle> detectToolStyle(std::string_view chatTemplate);

struct Tool {
  std::string name;
  nlohmann::ordered_json parameters; // a JSON schema; one of an empty object where there was none
};
/// The field `tools` of a request (null: none). Errors begin with the path: "tools[1].function.name: ...".
Result<std::vector<Tool>> parseTools(const nlohmann::ordered_json &tools);

struct ToolChoice {
  enum class Kind : uint8_t { None, Auto, Required, Named };
  Kind kind = Kind::Auto;
  std::string name; // where Named
};
/// Whether there is no answer but calls.
inline bool mustCall(const ToolChoice &choice) {
  return choice.kind == ToolChoice::Kind::Required || choice.kind == ToolChoice::Kind::Named;
}
/// The field `tool_choice` (null: auto where there are tools, else none). A function that is not among the
/// tools is an error, and so is "required" without any.
Result<ToolChoice> parseToolChoice(const nlohmann::ordered_json &choice, const std::vector<Tool> &tools);

/// A call that the model cannot but make.
struct ForcedCall {
  std::string prompt; // to be appended to the rendered template, special tokens parsed; may be empty
  Grammar grammar;    // of what is generated behind it
};
/// For Kind::Required and Kind::Named. `parallel`: several calls may come where the style lets a grammar say
/// so. Fails where a schema does; the message names the tool.
Result<ForcedCall> forceCall(ToolStyle style, const std::vector<Tool> &tools, const ToolChoice &choice,
                             bool parallel = true);

/// For Kind::Auto where an answer without calls must have a form: text of `answer`, or calls as above, but
/// behind marks that are generated, too. In Llama 3's style, whose calls need no mark, an answer that has the
/// form of a call is one.
Result<Grammar> callOr(const Grammar &answer, ToolStyle style, const std::vector<Tool> &tools,
                       bool parallel = true);

/// One more piece of an answer, as a stream's deltas have them.
struct ToolPiece {
  enum class Kind : uint8_t {
    Content,   // text
    Call,      // a call begins: index, id, name; its arguments follow
    Arguments, // text: more of the JSON text of the arguments of call `index`
  };
  Kind kind = Kind::Content;
  uint32_t index = 0;
  std::string id, name, text;
};

struct ToolCallParserOptions {
  bool wholeCalls = false;
  std::string prompt; // ForcedCall::prompt: the text goes on from there
};

/// Takes an answer apart while it comes.
///
/// A call is announced as soon as its name is one of the tools' and its arguments have begun. Everything
/// before that is held back, and comes out as content if it turns out to be something else: JSON of another
/// form, an unknown name. If the JSON breaks later, what came of the arguments is out already; from the byte
/// that broke it on all is content again, and the call does not count as complete. With `wholeCalls`
/// arguments are held until they are complete, so that a broken call is content from its first byte. White
/// space before and after calls belongs to their marks and is dropped.
class ToolCallParser {
public:
  using Options = ToolCallParserOptions;
  ToolCallParser(ToolStyle style, const std::vector<Tool> &tools, Options options = {});
  ToolCallParser(ToolCallParser &&) noexcept;
  ToolCallParser &operator=(ToolCallParser &&) noexcept;
  ~ToolCallParser();

  /// Any cut will do, but only whole UTF-8 characters give whole characters. Adjacent pieces of one kind and
  /// call are one piece.
  std::vector<ToolPiece> feed(std::string_view text);
  /// The text has ended: what is still held back. Nothing may be fed any more.
  std::vector<ToolPiece> finish();
  /// Calls announced so far, and those of them whose arguments are complete.
  uint32_t announcedCalls() const;
  uint32_t completeCalls() const;

private:
  struct State;
  std::unique_ptr<State> state;
};

struct ParsedAnswer {
  struct Call {
    std::string id, name, arguments; // JSON text
  };
  std::string content;
  std::vector<Call> calls;
};
/// A whole text (with wholeCalls). `prompt` as above.
ParsedAnswer parseToolCalls(ToolStyle style, const std::vector<Tool> &tools, std::string_view text,
                            std::string prompt = {});

/// Arranges an OpenAI conversation for a chat template, as servers around transformers do: arguments of calls
/// become objects, `tool_calls` that are null or empty go, a call's missing content becomes "" (null where
/// the template asks for that), answers of tools get the `name` of the call that they answer, and for
/// Mistral's styles ids become nine letters or digits (the same id the same letters). Lists of text parts as
/// content are not touched. Errors begin with the path: "messages[3].tool_calls[0].function.arguments: ...".
Result<void> normalizeToolMessages(nlohmann::ordered_json &messages, std::optional<ToolStyle> style,
                                   std::string_view chatTemplate);

/// A new random id: nine letters or digits for Mistral's styles, else "call_" and 24 of them.
std::string newToolCallId(ToolStyle style);

} // namespace nibble::server
