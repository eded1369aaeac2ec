//===- TemplateFuzz.cpp - Chat templates, parsed and rendered ---------------------------------===//

#include "Fuzz.h"
#include "nibble/runtime/ChatTemplate.h"

#include <nlohmann/json.hpp>

using namespace nibble;
using Json = nlohmann::ordered_json;

static const char *const kVariables = R"({
  "messages": [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "<&' \u00e9 What is 12 + 7?"},
    {"role": "assistant", "content": "", "tool_calls": [
      {"type": "function", "function": {"name": "add", "arguments": {"a": 12, "b": 7.5}}}]},
    {"role": "tool", "name": "add", "content": "19"},
    {"role": "assistant", "content": "<think>\nSum.\n</think>\n\n19", "reasoning_content": "Sum."}],
  "tools": [{"type": "function", "function": {"name": "add", "description": "Adds.",
             "parameters": {"type": "object", "properties": {"a": {"type": "number"}}}}}],
  "documents": null, "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "numbers": [3, 1, 2]
})";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const Json variables = Json::parse(kVariables);
  auto parsed = ChatTemplate::parse(std::string(fuzz::text(data, size)), "input");
  if (!parsed)
    return 0;
  RenderOptions options;
  options.now.emplace();
  options.now->tm_mday = 22;
  options.now->tm_mon = 10;
  options.now->tm_year = 126;
  options.limits = {.steps = 50'000, .outputBytes = 1u << 20, .memoryBytes = 16u << 20};
  auto rendered = parsed->render(variables, options);
  fuzz::require(!rendered || rendered->size() <= options.limits.outputBytes, "output stays within its limit");
  return 0;
}
