//===- Templates.cpp - Chat templates of a Hugging Face checkpoint ----------------------------===//
//
// They stand in tokenizer_config.json (one source, or a list of named ones), or in files of their own, which
// win: chat_template.jinja and additional_chat_templates/NAME.jinja. The artifact stores them as one JSON
// text.
//
//===------------------------------------------------------------------------------------------===//

#include "HuggingFace.h"

#include "../JsonObject.h"
#include "nibble/runtime/MappedFile.h"

using namespace nibble;
using nlohmann::json;

static constexpr size_t largestTemplate = 1u << 20; // bytes; the field's largest have 30 KB

static Result<void> addTemplate(json &templates, const std::string &name, std::string_view source,
                                const std::string &file) {
  if (source.size() > largestTemplate)
    return failure(file + ": the chat template " + quotedName(name) + " has " +
                   std::to_string(source.size()) + " bytes; expected at most " +
                   std::to_string(largestTemplate));
  templates[name] = source;
  return {};
}

/// chat_template: a source, or [{"name": …, "template": …}, …].
static Result<void> addFromConfig(json &templates, const JsonObject &config) {
  const json *value = config.find("chat_template");
  if (!value)
    return {};
  if (value->is_string())
    return addTemplate(templates, "default", value->get_ref<const std::string &>(), config.what());
  if (!value->is_array())
    return config.wrongKind("chat_template", "a string or a list of named templates");
  for (const json &entry : *value) {
    NIBBLE_TRY(auto named, JsonObject::of(entry, config.what() + ": chat_template"));
    NIBBLE_TRY(auto name, named.string("name"));
    NIBBLE_TRY(auto source, named.string("template"));
    if (!name || !source)
      return failure(named.what() + ": expected entries with 'name' and 'template'");
    NIBBLE_CHECK(addTemplate(templates, *name, *source, config.what()));
  }
  return {};
}

static Result<void> addFromFile(json &templates, const std::string &name, const std::string &path) {
  NIBBLE_TRY(auto mapped, MappedFile::open(path));
  return addTemplate(templates, name, mapped.text(), path);
}

/// The special tokens that templates read: a string, or an object with its 'content'.
static Result<void> addSpecialTokens(json &segment, const JsonObject &config) {
  for (const char *key : {"bos_token", "eos_token", "unk_token", "pad_token"}) {
    const json *value = config.find(key);
    if (!value || segment.contains(key))
      continue;
    if (value->is_object() && value->contains("content"))
      value = &value->at("content");
    if (!value->is_string())
      return config.wrongKind(key, "a string or an object with 'content'");
    segment[key] = *value;
  }
  return {};
}

Result<std::string> nibble::readTemplates(const CheckpointFolder &folder) {
  json segment = {{"templates", json::object()}};
  json &templates = segment["templates"];
  for (const char *name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    if (!folder.has(name))
      continue;
    NIBBLE_TRY(auto path, folder.file(name));
    NIBBLE_TRY(auto document, readJsonFile(path, kTokenizerConfigLimits));
    NIBBLE_TRY(auto config, JsonObject::of(document, path));
    NIBBLE_CHECK(addFromConfig(templates, config));
    NIBBLE_CHECK(addSpecialTokens(segment, config));
  }
  if (folder.has("chat_template.jinja")) {
    NIBBLE_TRY(auto path, folder.file("chat_template.jinja"));
    NIBBLE_CHECK(addFromFile(templates, "default", path));
  }
  const std::string more = "additional_chat_templates", extension = ".jinja";
  for (const std::string &name : folder.list(more, extension)) {
    NIBBLE_TRY(auto path, folder.file(more, name));
    NIBBLE_CHECK(addFromFile(templates, name.substr(0, name.size() - extension.size()), path));
  }
  try {
    return segment.dump();
  } catch (const json::exception &) {
    return failure(folder.path() + ": a chat template is not valid UTF-8");
  }
}
