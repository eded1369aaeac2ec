//===- Info.cpp - The verb that says what is in an artifact -----------------------------------===//

#include "runtime/commands/Verb.h"
#include "runtime/memory/AnonymousMemory.h"
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>

using namespace nibble;

namespace {
struct InfoFlags {
  RunFlags run;
  uint32_t batch = 1;
  bool json = false;
};
} // namespace

static std::string joined(const std::vector<std::string> &parts) {
  std::string text;
  for (const std::string &part : parts)
    text += (text.empty() ? "" : ", ") + part;
  return text;
}

/// "4.50" bits a weight, all of a tensor's bytes counted.
static double bitsPerWeight(uint64_t bytes, uint64_t elements) {
  return elements ? static_cast<double>(bytes) * 8 / static_cast<double>(elements) : 0;
}

static uint64_t elementCount(const TensorInfo &tensor) {
  uint64_t count = 1;
  for (uint64_t dimension : tensor.shape)
    count *= dimension;
  return count;
}

static void printModel(const Manifest &manifest) {
  const ModelInfo &model = manifest.model;
  std::printf("%s (%s), compiled by nibble %s\n", model.name.empty() ? "model" : model.name.c_str(),
              model.architecture.c_str(), manifest.compiler.c_str());
  std::printf("  layers %u, hidden %u, heads %u of %u, KV heads %u, vocabulary %u\n", model.layers,
              model.hidden, model.heads, model.headDim, model.kvHeads, model.vocabulary);
  std::printf("  parameters %" PRIu64 ", context %u (default %u)\n", model.parameters, model.context,
              model.defaultContext);
  std::string ends;
  for (int32_t token : model.eosTokens)
    ends += (ends.empty() ? "" : ", ") + std::to_string(token);
  std::printf("  start token %s, end tokens %s\n",
              model.bosToken < 0 ? "none" : std::to_string(model.bosToken).c_str(),
              ends.empty() ? "none" : ends.c_str());
}

static void printSegments(const Manifest &manifest) {
  std::printf("\nsegments\n");
  for (const SegmentInfo &segment : manifest.segments)
    std::printf("  %-12s %-16s %12s  at %" PRIu64 "\n", segment.name.c_str(), segment.target.c_str(),
                formatBytes(segment.size).c_str(), segment.offset);
}

static void printTensors(const Manifest &manifest) {
  if (manifest.tensors.empty())
    return;
  std::printf("\nprecision\n  %-56s %-16s %-14s %-8s %8s\n", "tensor", "shape", "format", "inputs", "bits");
  uint64_t bytes = 0, elements = 0;
  for (const TensorInfo &tensor : manifest.tensors) {
    std::string shape;
    for (uint64_t dimension : tensor.shape)
      shape += (shape.empty() ? "" : " x ") + std::to_string(dimension);
    uint64_t count = elementCount(tensor);
    std::printf("  %-56s %-16s %-14s %-8s %8.2f\n", tensor.name.c_str(), shape.c_str(), tensor.format.c_str(),
                tensor.activations.c_str(), bitsPerWeight(tensor.size, count));
    bytes += tensor.size;
    elements += count;
  }
  std::printf("  %-56s %-16s %-14s %-8s %8.2f\n", "together", "", "", "", bitsPerWeight(bytes, elements));
}

static void printVariants(const Manifest &manifest) {
  for (const VariantInfo &variant : manifest.variants) {
    std::string tuned = variant.tunedFor.empty() ? "" : "; tuned for " + variant.tunedFor;
    std::printf("\ncode for %s (needs %s%s): %zu kernels, %zu dispatches a step\n", variant.target.c_str(),
                joined(variant.features).c_str(), tuned.c_str(), variant.kernels.size(),
                variant.program.dispatches.size());
    for (const KernelInfo &kernel : variant.kernels)
      std::printf("  %-56s %-12s %8" PRIu64 " B\n", kernel.name.c_str(), kernel.family.c_str(), kernel.size);
  }
}

static nlohmann::ordered_json planJson(const MemoryPlan &plan) {
  return {{"target", plan.variant->target}, {"threads", plan.threads},
          {"context", plan.context},        {"kv_cache_type", cacheTypeName(plan.cacheType)},
          {"weights", plan.weights},        {"kv_cache", plan.cache},
          {"activations", plan.arena},      {"workers", plan.workers},
          {"process", plan.process},        {"total", plan.total()}};
}

static Result<int> runInfo(const std::string &path, const InfoFlags &flags) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  const Manifest &manifest = artifact.manifest();
  NIBBLE_TRY(auto options, engineOptions(flags.run));
  options.sequences = options.rowBudget = flags.batch;
  auto plan = planMemory(artifact, options);
  if (!plan && (flags.run.context || !flags.run.cpu.empty() || !flags.run.cacheType.empty()))
    return tl::unexpected(plan.error());

  if (flags.json) {
    auto document = nlohmann::ordered_json::parse(artifact.manifestText());
    if (plan)
      document["memory"] = planJson(*plan);
    std::puts(document.dump(2).c_str());
    return kExitDone;
  }
  printModel(manifest);
  printSegments(manifest);
  printTensors(manifest);
  printVariants(manifest);
  if (plan)
    std::printf("\nmemory for %u %s of %u positions on this machine (%s)\n%s", flags.batch,
                flags.batch == 1 ? "sequence" : "sequences", plan->context, plan->variant->target.c_str(),
                describe(*plan).c_str());
  else
    std::printf("\non this machine: %s\n", plan.error().message.c_str());
  return kExitDone;
}

void nibble::addInfoVerb(CLI::App &app, Choice &choice) {
  auto flags = std::make_shared<InfoFlags>();
  CLI::App *verb = addVerb(app, choice, "info", "Says what is in the artifact and what memory it needs",
                           {"info", "info --context 8192 --batch 16", "info --json"});
  verb->add_option("--batch", flags->batch, "Sequences to plan memory for")->check(CLI::Range(1, 1 << 20));
  verb->add_flag("--json", flags->json, "Print the manifest as JSON, with the memory plan");
  addRunFlags(*verb, flags->run);
  verb->callback([&choice, flags] {
    choice.action = [&choice, flags] { return runInfo(choice.artifactPath, *flags); };
  });
}
