//===- ToolCallsFuzz.cpp - Text of models, searched for calls ---------------------------------===//
//
// The first byte chooses style and options, the second where the text is cut; the rest is the text.
//
//===------------------------------------------------------------------------------------------===//
#include "Fuzz.h"
#include "runtime/server/ToolCalls.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::server;

namespace {
struct Sum {
  std::string content;
  std::vector<std::pair<std::string, std::string>> calls; // name, arguments
  uint32_t complete = 0;
  bool operator==(const Sum &) const = default;
};
} // namespace

static Sum feed(ToolStyle style, bool wholeCalls, std::string_view text, size_t step) {
  static const std::vector<Tool> tools = {{"add", {}}, {"get_weather", {}}};
  ToolCallParser parser(style, tools, {.wholeCalls = wholeCalls, .prompt = ""});
  Sum sum;
  auto take = [&](const std::vector<ToolPiece> &pieces) {
    for (const auto &piece : pieces) {
      if (piece.kind == ToolPiece::Kind::Content) {
        sum.content += piece.text;
      } else if (piece.kind == ToolPiece::Kind::Call) {
        fuzz::require(piece.index == sum.calls.size(), "calls are counted from 0");
        sum.calls.emplace_back(piece.name, "");
      } else {
        fuzz::require(piece.index + 1 == sum.calls.size(), "arguments belong to the last call");
        sum.calls.back().second += piece.text;
      }
    }
  };
  for (size_t from = 0; from < text.size(); from += step)
    take(parser.feed(text.substr(from, step)));
  take(parser.finish());
  sum.complete = parser.completeCalls();
  return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2)
    return 0;
  auto style = static_cast<ToolStyle>(data[0] & 3);
  bool wholeCalls = data[0] & 4;
  auto text = fuzz::text(data + 2, size - 2);
  Sum whole = feed(style, wholeCalls, text, text.size() + 1);
  fuzz::require(whole == feed(style, wholeCalls, text, data[1] % 16 + 1), "cuts do not matter");
  if (whole.calls.empty())
    fuzz::require(whole.content == text, "text without calls stays as it is");
  if (!wholeCalls)
    return 0;
  fuzz::require(whole.complete == whole.calls.size(), "whole calls are complete");
  for (const auto &call : whole.calls) {
    fuzz::require(call.first == "add" || call.first == "get_weather", "functions are known");
    // The other parser also checks UTF-8 and surrogates, which are the client's business.
    bool plain = std::ranges::all_of(call.second, [](char byte) { return byte != '\\' && byte >= 0; });
    fuzz::require(!plain || nlohmann::json::parse(call.second, nullptr, false).is_object(),
                  "arguments are an object");
  }
  return 0;
}
