//===- ToolCallParser.cpp - Takes calls out of a text that comes in pieces --------------------===//
//
// A machine that is fed byte by byte, so that cuts cannot matter. Whatever is not yet certain lies in `held`
// (white space, the beginning of a mark, of an object); it becomes content where it turns out to be no call.
//
//===------------------------------------------------------------------------------------------===//
#include "runtime/server/CallObject.h"
#include "runtime/server/ToolCalls.h"
#include <algorithm>

namespace nibble::server {

static bool isSpace(char byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

/// Of a function, as OpenAI allows them, and with the dots and slashes of others.
static bool isNameByte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
         byte == '_' || byte == '-' || byte == '.' || byte == '/';
}

struct ToolCallParser::State {
  ToolStyle style;
  Options options;
  std::vector<std::string> names;

  enum class Mode : uint8_t {
    Text,     // content, or what lies between two calls
    Marked,   // behind a mark that opens a call
    Name,     // Mistral's f of [TOOL_CALLS]f[ARGS]
    NameMark, // [ARGS] or [CALL_ID] behind it
    CallId,   // between [CALL_ID] and [ARGS]
    BareArguments,
    Object, // in what may be a call
    Other,  // in JSON that is none
  };
  Mode mode = Mode::Text;
  std::string held; // not yet certain
  std::string mark; // the end of `held` that may be a mark's beginning (Text, NameMark, CallId)
  std::string name; // Mode::Name
  std::optional<CallObject> object;
  bool announced = false;   // the object's call
  size_t sentArguments = 0; // bytes of its arguments that are out
  bool afterCall = false;   // Text: nothing but white space and separators since a call
  bool between = false;     // Text: a separator was there
  bool inside = false;      // of Hermes's element, of Mistral's list
  size_t promptBytes = 0;   // at the start of `held`: not generated, so never content
  uint32_t announcedCalls = 0, completeCalls = 0;
  std::vector<ToolPiece> pieces;

  bool isMistral() const { return style == ToolStyle::Mistral || style == ToolStyle::MistralArgs; }

  /// The marks that may come next.
  std::span<const std::string_view> marks() const {
    static constexpr std::string_view hermes[] = {"<tool_call>", "</tool_call>"};
    static constexpr std::string_view llama[] = {"<|python_tag|>"};
    static constexpr std::string_view mistral[] = {"[TOOL_CALLS]"};
    if (style == ToolStyle::Hermes)
      return {hermes, inside ? 2u : 1u};
    return style == ToolStyle::Llama3 ? std::span(llama) : std::span(mistral);
  }

  void content(std::string_view text) {
    if (text.empty())
      return;
    if (pieces.empty() || pieces.back().kind != ToolPiece::Kind::Content)
      pieces.push_back({});
    pieces.back().text += text;
  }

  /// What was held is text after all; but white space at its end may lie before a call.
  void release() {
    held.erase(0, std::min(promptBytes, held.size()));
    promptBytes = 0;
    size_t text = held.size();
    while (text && isSpace(held[text - 1]))
      --text;
    content(std::string_view(held).substr(0, text));
    held.erase(0, text);
    mark.clear();
    afterCall = between = inside = false;
    mode = Mode::Text;
  }

  void announce() {
    announced = true;
    held.clear();
    promptBytes = 0;
    pieces.push_back({ToolPiece::Kind::Call, announcedCalls++, newToolCallId(style), object->name(), {}});
  }

  void sendArguments() {
    const auto &text = object->arguments();
    if (sentArguments == text.size())
      return;
    uint32_t index = announcedCalls - 1;
    if (pieces.empty() || pieces.back().kind != ToolPiece::Kind::Arguments || pieces.back().index != index)
      pieces.push_back({ToolPiece::Kind::Arguments, index, {}, {}, {}});
    pieces.back().text.append(text, sentArguments);
    sentArguments = text.size();
  }

  void open(CallObject call) {
    object.emplace(std::move(call));
    announced = false;
    sentArguments = 0;
    mode = Mode::Object;
  }

  void text(char byte) {
    std::string longer = mark + byte;
    for (auto candidate : marks()) {
      if (!candidate.starts_with(longer))
        continue;
      held += byte;
      mark = std::move(longer);
      if (mark.size() == candidate.size())
        foundMark(candidate);
      return;
    }
    if (!mark.empty()) {
      // No mark holds its own first character again: only this byte can begin another one.
      release();
      return text(byte);
    }
    bool mayBegin = style == ToolStyle::Llama3 || (inside && afterCall);
    if (byte == '{' && mayBegin && !(isMistral() && !between)) {
      held += byte;
      open(CallObject(names, style == ToolStyle::Llama3));
      object->feed(byte);
      return;
    }
    bool separator = afterCall && !between &&
                     ((style == ToolStyle::Llama3 && byte == ';') || (isMistral() && inside && byte == ','));
    if (separator || isSpace(byte)) {
      between |= separator;
      held += byte;
      return;
    }
    if (isMistral() && inside && afterCall && !between && byte == ']') {
      inside = false;
      held.clear();
      return;
    }
    held += byte;
    release();
  }

  void foundMark(std::string_view which) {
    mark.clear();
    if (which == "</tool_call>") {
      inside = false;
      held.clear();
      return;
    }
    mode = Mode::Marked;
    inside = style == ToolStyle::Hermes;
  }

  void marked(char byte) {
    if (byte == '{') {
      held += byte;
      open(CallObject(names, false));
      object->feed(byte);
    } else if (isSpace(byte)) {
      held += byte;
    } else if (isMistral() && byte == '[' && !inside) {
      inside = true;
      held += byte;
    } else if (isMistral() && isNameByte(byte) && !inside) {
      held += byte;
      name = byte;
      mode = Mode::Name;
    } else {
      release();
      text(byte);
    }
  }

  void nameByte(char byte) {
    if (isNameByte(byte)) {
      held += byte;
      name += byte;
    } else if (byte == '[' || byte == '{' || isSpace(byte)) {
      if (std::ranges::find(names, name) == names.end()) {
        release();
        text(byte);
      } else {
        mode = byte == '[' ? Mode::NameMark : Mode::BareArguments;
        mark.clear();
        mode == Mode::NameMark ? nameMark(byte) : bareArguments(byte);
      }
    } else {
      release();
      text(byte);
    }
  }

  void nameMark(char byte) {
    std::string longer = mark + byte;
    for (std::string_view candidate : {"[ARGS]", "[CALL_ID]"})
      if (candidate.starts_with(longer)) {
        held += byte;
        mark = std::move(longer);
        if (mark.size() == candidate.size()) {
          mode = candidate == "[ARGS]" ? Mode::BareArguments : Mode::CallId;
          mark.clear();
        }
        return;
      }
    release();
    text(byte);
  }

  void callId(char byte) {
    if (isNameByte(byte)) {
      held += byte;
    } else if (byte == '[') {
      mode = Mode::NameMark;
      nameMark(byte);
    } else {
      release();
      text(byte);
    }
  }

  void bareArguments(char byte) {
    if (isSpace(byte)) {
      held += byte;
    } else if (byte == '{') {
      held += byte;
      open(CallObject(names, name));
      step(byte, object->feed(byte));
    } else {
      release();
      text(byte);
    }
  }

  void step(char byte, CallObject::Step step) {
    bool ends = step == CallObject::Step::Complete;
    if (object->isCall() && !announced && (ends || !options.wholeCalls))
      announce();
    if (announced)
      sendArguments();
    if (step == CallObject::Step::Broken) {
      bool wasAnnounced = announced;
      release();
      object.reset();
      if (wasAnnounced)
        announced = false;
      return text(byte);
    }
    if (step == CallObject::Step::Other) {
      release();
      mode = Mode::Other;
      return;
    }
    if (!ends)
      return;
    if (!announced) { // an object, but not of a call
      release();
    } else {
      ++completeCalls;
      afterCall = true;
      between = false;
      mode = Mode::Text;
    }
    object.reset();
    announced = false;
  }

  void objectByte(char byte) {
    auto result = object->feed(byte);
    if (!announced && result != CallObject::Step::Broken)
      held += byte;
    step(byte, result);
  }

  void otherByte(char byte) {
    auto result = object->feed(byte);
    if (result == CallObject::Step::Broken) {
      mode = Mode::Text;
      object.reset();
      return text(byte);
    }
    content(held);
    content({&byte, 1});
    held.clear();
    if (result == CallObject::Step::Complete) {
      mode = Mode::Text;
      object.reset();
    }
  }

  void feed(char byte) {
    switch (mode) {
    case Mode::Text:
      return text(byte);
    case Mode::Marked:
      return marked(byte);
    case Mode::Name:
      return nameByte(byte);
    case Mode::NameMark:
      return nameMark(byte);
    case Mode::CallId:
      return callId(byte);
    case Mode::BareArguments:
      return bareArguments(byte);
    case Mode::Object:
      return objectByte(byte);
    case Mode::Other:
      return otherByte(byte);
    }
  }
};

ToolCallParser::ToolCallParser(ToolStyle style, const std::vector<Tool> &tools, Options options)
    : state(std::make_unique<State>()) {
  state->style = style;
  for (const auto &tool : tools)
    state->names.push_back(tool.name);
  state->options = std::move(options);
  state->promptBytes = state->options.prompt.size();
  for (char byte : state->options.prompt)
    state->feed(byte);
}

ToolCallParser::ToolCallParser(ToolCallParser &&) noexcept = default;
ToolCallParser &ToolCallParser::operator=(ToolCallParser &&) noexcept = default;
ToolCallParser::~ToolCallParser() = default;

std::vector<ToolPiece> ToolCallParser::feed(std::string_view text) {
  for (char byte : text)
    state->feed(byte);
  return std::exchange(state->pieces, {});
}

std::vector<ToolPiece> ToolCallParser::finish() {
  bool isLayout = state->mode == State::Mode::Text && state->afterCall && state->mark.empty();
  if (!isLayout && !state->announced) {
    state->release();
    state->content(state->held);
  }
  state->held.clear();
  return std::exchange(state->pieces, {});
}

uint32_t ToolCallParser::announcedCalls() const { return state->announcedCalls; }
uint32_t ToolCallParser::completeCalls() const { return state->completeCalls; }

ParsedAnswer parseToolCalls(ToolStyle style, const std::vector<Tool> &tools, std::string_view text,
                            std::string prompt) {
  ToolCallParser parser(style, tools, {.wholeCalls = true, .prompt = std::move(prompt)});
  ParsedAnswer answer;
  auto take = [&](std::vector<ToolPiece> pieces) {
    for (auto &piece : pieces) {
      if (piece.kind == ToolPiece::Kind::Content)
        answer.content += piece.text;
      else if (piece.kind == ToolPiece::Kind::Call)
        answer.calls.push_back({std::move(piece.id), std::move(piece.name), {}});
      else
        answer.calls.back().arguments += piece.text;
    }
  };
  take(parser.feed(text));
  take(parser.finish());
  return answer;
}

} // namespace nibble::server
