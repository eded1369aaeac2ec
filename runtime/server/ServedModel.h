//===- ServedModel.h - What requests are answered with ------------------------------*- C++ -*-===//
//
// The artifact's tokenizer, templates and numbers, arranged for requests. Immutable but for what is made when
// it is first needed; any thread may ask.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Engine.h"
#include "runtime/conversation/Conversation.h"
#include "runtime/server/Constraint.h"
#include "runtime/server/GenerationFields.h"
#include "runtime/server/ToolCalls.h"
#include <mutex>

namespace nibble::server {

class ServedModel {
public:
  /// Artifact and tokenizer (null: none) must outlive it. `name` is what requests call it; empty: what the
  /// artifact's file is called.
  static Result<std::unique_ptr<ServedModel>> create(const Artifact &artifact, const Engine &engine,
                                                     const Tokenizer *tokenizer, std::string name);

  std::string name, fingerprint;
  int64_t created = 0; // seconds since 1970
  uint32_t context = 0;
  RequestRules rules;
  std::vector<int32_t> endTokens;
  const Tokenizer *tokenizer = nullptr;
  std::optional<TemplateSet> templates;
  std::optional<ToolStyle> toolStyle; // where it was given; else each template's own

  /// Whether a request may call the model so; 404 otherwise.
  Answered<void> checkName(const std::optional<std::string> &asked) const;
  /// An object as GET /v1/models lists it.
  Json describe() const;
  /// Where a text begins in this grammar.
  std::shared_ptr<const GrammarState> begin(Grammar grammar) const;
  GrammarCache &grammars() const { return cache; }

  /// "models/demo.nibble" is demo; other endings, as in Qwen2.5-0.5B, belong to the name.
  static std::string nameOf(const std::string &path);

private:
  mutable GrammarCache cache;
  mutable std::once_flag vocabularyMade;
  mutable std::optional<GrammarVocabulary> vocabulary;
};

} // namespace nibble::server
