//===- ChatTemplate.h - A checkpoint's Jinja chat template --------------------------*- C++ -*-===//
//
// Turns a conversation into the prompt that the model was trained on, as transformers' apply_chat_template
// does: Jinja with trim_blocks, lstrip_blocks, loop controls and a tojson filter without HTML escapes.
// Templates come with checkpoints and are untrusted: they reach nothing but their variables, and every
// resource they use is bounded.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"

#include <cstdint>
#include <ctime>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace nibble {

namespace jinja {
struct Program;
}

/// What one rendering may use. Past a limit `render` returns an error that names it.
struct RenderLimits {
  uint64_t steps = 20'000'000;         // evaluated nodes, plus work on long strings and lists
  uint64_t outputBytes = 64ull << 20;  // of the rendered prompt
  uint64_t memoryBytes = 512ull << 20; // held by all values alive at one time
  uint32_t depth = 400; // nested statements, expressions and macro calls; 400 fit into 1 MiB of stack
};

struct RenderOptions {
  std::optional<std::tm>
      now; // local date and time for strftime_now (tm_year ... tm_sec); the machine's when unset
  RenderLimits limits;
};

/// A parsed template. Immutable: several threads may render one template at the same time.
class ChatTemplate {
public:
  /// `name` appears in errors ("tokenizer_config.json"). Sources over 4 MiB are refused.
  static Result<ChatTemplate> parse(std::string source, std::string name);

  /// `variables` is an object: messages, tools, documents, add_generation_prompt, bos_token, eos_token and
  /// whatever else the template reads. transformers always defines the first four (null where absent); do the
  /// same. A template's own raise_exception is an error as well. Errors read "NAME: line 12: what is wrong".
  Result<std::string> render(const nlohmann::ordered_json &variables,
                             const RenderOptions &options = {}) const;

  /// Whether the template reads a variable of this name anywhere (a template that never reads `tools` cannot
  /// show them to the model).
  bool mentions(const std::string &variable) const;

private:
  std::shared_ptr<const jinja::Program> program;
};

} // namespace nibble
