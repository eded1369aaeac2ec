//===- ServedModel.cpp - What requests are answered with --------------------------------------===//

#include "runtime/server/ServedModel.h"
#include "nibble/runtime/KernelABI.h"
#include "nibble/runtime/SHA256.h"
#include <algorithm>
#include <ctime>
#include <filesystem>

using namespace nibble;
using namespace nibble::server;

Result<std::unique_ptr<ServedModel>> ServedModel::create(const Artifact &artifact, const Engine &engine,
                                                         const Tokenizer *tokenizer, std::string name) {
  auto model = std::make_unique<ServedModel>();
  const Manifest &manifest = artifact.manifest();
  model->name = !name.empty() ? std::move(name) : nameOf(artifact.path());
  std::string_view text = artifact.manifestText();
  std::string digits = hexDigits(SHA256::of(std::as_bytes(std::span(text.data(), text.size()))));
  model->fingerprint = "fp_" + digits.substr(0, 10) + "_" + engine.plan().variant->target;
  model->created = std::time(nullptr);
  // A cache that memory has made smaller than the context holds less of one request, too.
  uint64_t cache = uint64_t(engine.plan().pages) * kPageSize;
  model->context = static_cast<uint32_t>(std::min<uint64_t>(engine.plan().context, cache));
  model->rules.mostChoices = std::min(model->rules.mostChoices, engine.options().sequences);
  model->rules.vocabulary = manifest.model.vocabulary;
  model->rules.defaults = manifest.generation;
  model->endTokens = manifest.model.eosTokens;
  model->tokenizer = tokenizer;
  if (tokenizer) {
    NIBBLE_TRY(model->templates, findTemplates(artifact));
  }
  return model;
}

std::string ServedModel::nameOf(const std::string &path) {
  std::filesystem::path file = std::filesystem::path(path).filename();
  return file.extension() == ".nibble" ? file.stem().string() : file.string();
}

Answered<void> ServedModel::checkName(const std::optional<std::string> &asked) const {
  if (!asked || *asked == name)
    return {};
  return tl::unexpected(
      notFound("the model " + excerpt(*asked) + " does not exist here; this server has " + excerpt(name, 256),
               "model_not_found", "model"));
}

Json ServedModel::describe() const {
  return {{"id", name},   {"object", "model"}, {"created", created},      {"owned_by", "nibble"},
          {"root", name}, {"parent", nullptr}, {"max_model_len", context}};
}

std::shared_ptr<const GrammarState> ServedModel::begin(Grammar grammar) const {
  std::call_once(vocabularyMade, [this] { vocabulary.emplace(*tokenizer, rules.vocabulary, endTokens); });
  return std::make_shared<const GrammarState>(std::move(grammar), *vocabulary);
}
