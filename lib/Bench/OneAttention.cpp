//===- OneAttention.cpp - A model of one layer's attention, compiled --------------------------===//
#include "lib/Bench/OneAttention.h"

#include <cmath>

using namespace mlir;
using namespace nibble;

static constexpr uint32_t kTableRows = 64;

static std::string number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.9e", value);
  return text;
}

static std::string moduleText(const AttentionOptions &options) {
  std::string headDim = std::to_string(options.headDim), kvHeads = std::to_string(options.kvHeads);
  auto rows = [](uint32_t width) { return "tensor<?x" + std::to_string(width) + "xf32>"; };
  std::string query = rows(options.heads * options.headDim), key = rows(options.kvHeads * options.headDim);
  std::string cache = "!llm.cache<layers = 1, kv_heads = " + kvHeads + ", head_dim = " + headDim + ">";
  std::string frequencies;
  for (uint32_t i = 0; i < options.headDim / 2; ++i)
    frequencies += (i ? ", " : "") + number(std::pow(10000.0, -2.0 * i / options.headDim));

  std::string text =
      "func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %cache: " +
      cache + ") -> " + query + " {\n";
  auto gather = [&](const std::string &name, uint32_t heads) {
    std::string width = std::to_string(heads * options.headDim),
                table = "tensor<" + std::to_string(kTableRows) + "x" + width + "xf32>";
    text += "  %t" + name + " = llm.param @" + name + " source(<f32>) : " + table + "\n  %" + name +
            " = llm.embed %ids, %t" + name + " : tensor<?xi32>, " + table + " -> tensor<?x" + width +
            "xf32>\n";
  };
  gather("q", options.heads);
  gather("k", options.kvHeads);
  gather("v", options.kvHeads);
  for (const auto &[name, type] : {std::pair("q", query), std::pair("k", key)})
    text += std::string("  %") + name + "r = llm.rope %" + name + ", %positions {head_dim = " + headDim +
            " : i64, inverse_frequencies = array<f32: " + frequencies + ">} : " + type + ", tensor<?xi32>\n";
  text +=
      "  %o = llm.attention %qr, %kr, %v, %cache {layer = 0 : i64, heads = " + std::to_string(options.heads) +
      " : i64, scale = " + number(1 / std::sqrt(options.headDim)) + " : f32" +
      (options.window ? ", window = " + std::to_string(options.window) + " : i64" : "") + "} : " + query +
      ", " + key + ", " + cache + "\n  return %o : " + query + "\n}\n";
  return text;
}

Result<OneAttention> nibble::compileOneAttention(const AttentionOptions &options, unsigned threads,
                                                 bool &wrongUsage) {
  OneAttention result;
  wrongUsage = true;
  if (options.heads % options.kvHeads != 0)
    return nibble::failure("--heads " + std::to_string(options.heads) + " is not a multiple of --kv-heads " +
                           std::to_string(options.kvHeads) +
                           "; each head of K and V serves the same number of heads");
  NIBBLE_TRY(result.cache, parseCacheType(options.cache));
  BenchModule source;
  NIBBLE_TRY(source.target, findCPUTarget(options.target, options.tuneFor));
  wrongUsage = false;
  if (!runsHere(source.target))
    return nibble::failure("this machine does not run code for " + source.target.name);
  source.text = moduleText(options);
  source.formats.precision = "f32";
  source.cache = options.cache;
  RandomWeights weights;
  for (const auto &[name, heads] :
       {std::pair("q", options.heads), std::pair("k", options.kvHeads), std::pair("v", options.kvHeads)})
    NIBBLE_CHECK(weights.add(name, kTableRows, static_cast<int64_t>(heads) * options.headDim, 1));
  NIBBLE_TRY(static_cast<BenchProgram &>(result), compileBenchProgram(source, weights, threads));
  result.vocabulary = kTableRows;
  return result;
}
