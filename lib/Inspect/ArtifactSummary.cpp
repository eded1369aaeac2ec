//===- ArtifactSummary.cpp - What is in an artifact -------------------------------------------===//
#include "lib/Inspect/Summary.h"

#include "lib/Inspect/Table.h"
#include "lib/Inspect/Weights.h"
#include "nibble/runtime/Engine.h"
#include "nibble/runtime/KernelABI.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace nibble;
using Json = nlohmann::ordered_json;

static Json describeModel(const ModelInfo &model) {
  Json json = {{"architecture", model.architecture},
               {"name", model.name},
               {"layers", model.layers},
               {"hidden", model.hidden},
               {"heads", model.heads},
               {"kv_heads", model.kvHeads},
               {"head_dim", model.headDim},
               {"vocabulary", model.vocabulary},
               {"context", model.context},
               {"default_context", model.defaultContext},
               {"parameters", model.parameters}};
  json["bos_token_id"] = model.bosToken < 0 ? Json() : Json(model.bosToken);
  json["eos_token_ids"] = model.eosTokens;
  return json;
}

static Json describeBudget(const BudgetSize &size) {
  return {{"per_token", size.perToken}, {"per_logits_row", size.perRow}, {"fixed", size.bytes}};
}

/// K and V of one position in all layers.
static uint64_t cacheBytesPerToken(const ModelInfo &model, CacheType type) {
  uint64_t bytes = 2;
  for (uint64_t factor :
       {uint64_t(model.layers), uint64_t(model.kvHeads), cacheRowBytes(type, model.headDim)})
    bytes = llvm::SaturatingMultiply(bytes, factor);
  return bytes;
}

/// The memory of one sequence that fills the default context, with the runtime's default budgets.
static Json describeMemory(const Manifest &manifest, const VariantInfo &variant) {
  const ProgramInfo &program = variant.program;
  uint64_t scratch = 0;
  for (const KernelInfo &kernel : variant.kernels)
    scratch = std::max(scratch, kernel.scratch);
  EngineOptions defaults;
  uint64_t positions = llvm::alignTo(manifest.model.defaultContext, kPageSize);
  uint64_t weights = manifest.segment("weights")->size;
  uint64_t cache =
      llvm::SaturatingMultiply(cacheBytesPerToken(manifest.model, manifest.defaultCache), positions);
  uint64_t arena = program.arena.perToken * defaults.tokenBudget + program.arena.perRow * defaults.rowBudget +
                   program.arena.bytes;
  uint64_t worker = program.privateBytes + scratch;
  return {{"arena", describeBudget(program.arena)},
          {"worker", {{"private", program.privateBytes}, {"scratch", scratch}}},
          {"one_sequence",
           {{"positions", positions},
            {"token_budget", defaults.tokenBudget},
            {"logits_rows", defaults.rowBudget},
            {"cache_type", cacheTypeName(manifest.defaultCache)},
            {"weights", weights},
            {"kv_cache", cache},
            {"activations", arena},
            {"per_thread", worker},
            {"total", llvm::SaturatingAdd(weights, cache, arena, worker)}}}};
}

static Json describeVariant(const Manifest &manifest, const VariantInfo &variant) {
  std::vector<uint64_t> dispatches(variant.kernels.size());
  for (const DispatchInfo &dispatch : variant.program.dispatches) {
    std::vector<uint32_t> used;
    for (uint32_t index : dispatch.kernel)
      if (index < dispatches.size() && !llvm::is_contained(used, index)) {
        used.push_back(index);
        ++dispatches[index];
      }
  }
  Json kernels = Json::array();
  for (auto [i, kernel] : llvm::enumerate(variant.kernels))
    kernels.push_back({{"name", kernel.name},
                       {"family", kernel.family},
                       {"code_bytes", kernel.size},
                       {"scratch", kernel.scratch},
                       {"dispatches", dispatches[i]}});
  return {{"target", variant.target},
          {"tuned_for", variant.tunedFor},
          {"features", variant.features},
          {"code_bytes", manifest.segments[variant.segment].size},
          {"dispatches", variant.program.dispatches.size()},
          {"kernels", std::move(kernels)},
          {"memory", describeMemory(manifest, variant)}};
}

Json nibble::describe(const Artifact &artifact) {
  const Manifest &manifest = artifact.manifest();
  std::vector<WeightRow> rows;
  for (const TensorInfo &tensor : manifest.tensors)
    rows.push_back(
        {tensor.name, tensor.shape, tensor.format, tensor.activations, tensor.layout, tensor.size});
  Json cache = Json::object(), targets = Json::array(), segments = Json::array();
  for (CacheType type : manifest.cacheTypes)
    cache[std::string(cacheTypeName(type))] = cacheBytesPerToken(manifest.model, type);
  for (const VariantInfo &variant : manifest.variants)
    targets.push_back(describeVariant(manifest, variant));
  uint64_t end = 0;
  for (const SegmentInfo &segment : manifest.segments) {
    segments.push_back({{"name", segment.name},
                        {"target", segment.target},
                        {"offset", segment.offset},
                        {"bytes", segment.size}});
    end = std::max(end, segment.offset + segment.size);
  }
  return {{"kind", "artifact"},
          {"file", artifact.path()},
          {"compiler", manifest.compiler},
          {"model", describeModel(manifest.model)},
          {"weights", describeWeights(rows)},
          {"cache_bytes_per_token", std::move(cache)},
          {"targets", std::move(targets)},
          {"segments", std::move(segments)},
          {"manifest_bytes", artifact.manifestText().size()}};
}

static void printModel(llvm::raw_ostream &stream, const Json &description) {
  const Json &model = description["model"];
  std::string name = model["name"].get<std::string>();
  stream << (name.empty() ? "model" : printable(name)) << " ("
         << printable(model["architecture"].get<std::string>()) << "), compiled by nibble "
         << printable(description["compiler"].get<std::string>()) << "\n";
  auto number = [&](const char *key) { return std::to_string(model[key].get<uint64_t>()); };
  std::string ends;
  for (const Json &token : model["eos_token_ids"])
    ends += (ends.empty() ? "" : ", ") + std::to_string(token.get<int64_t>());
  Table table({"", ""});
  table.add({"layers", number("layers")});
  table.add({"hidden", number("hidden")});
  table.add({"heads", number("heads") + " of " + number("head_dim") + ", " + number("kv_heads") +
                          " of keys and values"});
  table.add({"vocabulary", number("vocabulary")});
  table.add(
      {"context", number("context") + ", " + number("default_context") + " unless a run says otherwise"});
  table.add({"parameters", countText(model["parameters"].get<uint64_t>())});
  table.add({"first token", model["bos_token_id"].is_null()
                                ? "none"
                                : std::to_string(model["bos_token_id"].get<int64_t>())});
  table.add({"end tokens", ends.empty() ? "none" : ends});
  table.print(stream, 2);
}

static void printTarget(llvm::raw_ostream &stream, const Json &target) {
  std::string features;
  for (const Json &feature : target["features"])
    features += (features.empty() ? "" : " ") + feature.get<std::string>();
  stream << "\nTarget " << printable(target["target"].get<std::string>()) << ": "
         << target["dispatches"].get<uint64_t>() << " dispatches a step, code of "
         << bytesText(target["code_bytes"].get<uint64_t>()) << "; needs "
         << (features.empty() ? "nothing" : printable(features));
  if (std::string tuned = target["tuned_for"].get<std::string>(); !tuned.empty())
    stream << "; tuned for " << printable(tuned);
  stream << "\n";
  Table table({"kernel", "family", ">dispatches", ">code", ">scratch"});
  for (const Json &kernel : target["kernels"])
    table.add({kernel["name"].get<std::string>(), kernel["family"].get<std::string>(),
               countText(kernel["dispatches"].get<uint64_t>()),
               countText(kernel["code_bytes"].get<uint64_t>()) + " B",
               bytesText(kernel["scratch"].get<uint64_t>())});
  table.print(stream, 2);

  const Json &memory = target["memory"], &arena = memory["arena"], &one = memory["one_sequence"];
  auto bytes = [](const Json &value) { return bytesText(value.get<uint64_t>()); };
  stream << "  memory of one sequence of " << one["positions"].get<uint64_t>() << " positions\n";
  Table plan({"", ">", ""});
  plan.add({"weights", bytes(one["weights"]), ""});
  plan.add({"KV cache", bytes(one["kv_cache"]), one["cache_type"].get<std::string>()});
  plan.add({"activations", bytes(one["activations"]),
            countText(arena["per_token"].get<uint64_t>()) + " B a token (" +
                std::to_string(one["token_budget"].get<uint64_t>()) + "), " +
                countText(arena["per_logits_row"].get<uint64_t>()) + " B a row of logits (" +
                std::to_string(one["logits_rows"].get<uint64_t>()) + "), " +
                countText(arena["fixed"].get<uint64_t>()) + " B"});
  plan.add({"a thread", bytes(one["per_thread"]),
            countText(memory["worker"]["private"].get<uint64_t>()) + " B private, " +
                countText(memory["worker"]["scratch"].get<uint64_t>()) + " B scratch"});
  plan.add({"together", bytes(one["total"]), "with one thread"});
  plan.print(stream, 4);
}

void nibble::printArtifact(llvm::raw_ostream &stream, const Json &description, bool everyLayer) {
  printModel(stream, description);
  stream << "\n";
  printWeights(stream, description["weights"], everyLayer);
  stream << "\nKV cache:";
  const char *separator = " ";
  for (const auto &[type, bytes] : description["cache_bytes_per_token"].items()) {
    stream << separator << countText(bytes.get<uint64_t>()) << " B a token in " << type;
    separator = ", ";
  }
  stream << "\n";
  for (const Json &target : description["targets"])
    printTarget(stream, target);

  stream << "\n";
  Table segments({"segment", "target", ">size", ">offset"});
  for (const Json &segment : description["segments"])
    segments.add({segment["name"].get<std::string>(), segment["target"].get<std::string>(),
                  bytesText(segment["bytes"].get<uint64_t>()), countText(segment["offset"].get<uint64_t>())});
  segments.add({"manifest", "", bytesText(description["manifest_bytes"].get<uint64_t>()), ""});
  segments.print(stream);
}
