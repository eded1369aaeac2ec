//===- Weights.cpp - The table of weights -----------------------------------------------------===//
#include "lib/Inspect/Weights.h"

#include "lib/Inspect/Names.h"
#include "lib/Inspect/Table.h"

#include "llvm/Support/MathExtras.h"

#include <map>
#include <set>

using namespace nibble;
using Json = nlohmann::ordered_json;

uint64_t WeightRow::parameters() const {
  uint64_t count = 1;
  for (uint64_t dimension : shape)
    count = llvm::SaturatingMultiply(count, dimension);
  return count;
}

static double bitsPerWeight(uint64_t bytes, uint64_t parameters) {
  return parameters ? 8 * static_cast<double>(bytes) / static_cast<double>(parameters) : 0;
}

/// In the order of the table of totals.
static constexpr const char *kKinds[] = {"embedding", "attention", "feed-forward", "head",
                                         "norms",     "biases",    "other"};

static const char *kindOf(const std::string &name) {
  auto has = [&](const char *part) { return name.find(part) != std::string::npos; };
  return name.ends_with(".bias")       ? "biases"
         : has("norm")                 ? "norms"
         : has("embed_tokens")         ? "embedding"
         : name.starts_with("lm_head") ? "head"
         : has(".self_attn.")          ? "attention"
         : has(".mlp.")                ? "feed-forward"
                                       : "other";
}

namespace {
/// What some weights have together.
struct Total {
  uint64_t tensors = 0, parameters = 0, bytes = 0;
  std::set<std::string> formats;

  void add(const WeightRow &row) {
    ++tensors;
    parameters = llvm::SaturatingAdd(parameters, row.parameters());
    bytes = llvm::SaturatingAdd(bytes, row.bytes);
    formats.insert(row.format);
  }
  Json json() const {
    return {{"tensors", tensors},
            {"formats", formats},
            {"parameters", parameters},
            {"bytes", bytes},
            {"bits_per_weight", bitsPerWeight(bytes, parameters)}};
  }
};
} // namespace

Json nibble::describeWeights(std::span<const WeightRow> rows) {
  Json tensors = Json::array(), byKind = Json::array();
  std::map<std::string, Total> kinds;
  Total total;
  for (const WeightRow &row : rows) {
    const char *kind = kindOf(row.name);
    kinds[kind].add(row);
    total.add(row);
    Json entry = {{"name", row.name}, {"kind", kind}, {"shape", row.shape}, {"format", row.format}};
    if (!row.activations.empty())
      entry["activations"] = row.activations;
    if (!row.layout.empty())
      entry["layout"] = row.layout;
    entry["parameters"] = row.parameters();
    entry["bytes"] = row.bytes;
    entry["bits_per_weight"] = bitsPerWeight(row.bytes, row.parameters());
    tensors.push_back(std::move(entry));
  }
  for (const char *kind : kKinds)
    if (auto found = kinds.find(kind); found != kinds.end()) {
      Json entry = {{"kind", kind}};
      entry.update(found->second.json());
      byKind.push_back(std::move(entry));
    }
  return {{"tensors", std::move(tensors)}, {"by_kind", std::move(byKind)}, {"total", total.json()}};
}

std::string nibble::shapeText(const Json &shape) {
  std::string text;
  for (const Json &dimension : shape)
    text += (text.empty() ? "" : "x") + std::to_string(dimension.get<uint64_t>());
  return text;
}

/// The cells of a row but for the name.
static std::vector<std::string> cellsOf(const Json &tensor) {
  return {shapeText(tensor["shape"]),
          tensor["format"].get<std::string>(),
          tensor.value("activations", std::string()),
          countText(tensor["parameters"].get<uint64_t>()),
          bytesText(tensor["bytes"].get<uint64_t>()),
          fixedText(tensor["bits_per_weight"].get<double>())};
}

static void addRow(Table &table, std::string name, std::vector<std::string> cells) {
  cells.insert(cells.begin(), std::move(name));
  table.add(std::move(cells));
}

namespace {
/// The weights of a layer: names after the layer's number, and cells.
struct Layer {
  std::string prefix;
  std::vector<std::pair<std::string, std::vector<std::string>>> rows;
  bool operator==(const Layer &) const = default;
};
} // namespace

/// Weights outside of layers keep their place before or after the layers.
static void addTensors(Table &table, const Json &tensors, bool everyLayer) {
  std::map<uint64_t, Layer> layers;
  std::vector<const Json *> before, after;
  for (const Json &tensor : tensors) {
    auto parts = splitLayer(tensor["name"].get<std::string>());
    if (!parts) {
      (layers.empty() ? before : after).push_back(&tensor);
      continue;
    }
    Layer &layer = layers[parts->layer];
    layer.prefix = parts->prefix;
    layer.rows.emplace_back(parts->suffix, cellsOf(tensor));
  }
  for (const Json *tensor : before)
    addRow(table, (*tensor)["name"].get<std::string>(), cellsOf(*tensor));
  for (auto first = layers.begin(); first != layers.end();) {
    std::vector<uint64_t> numbers;
    auto next = first;
    for (; next != layers.end() && next->second == first->second; ++next) {
      numbers.push_back(next->first);
      if (everyLayer) {
        ++next;
        break;
      }
    }
    table.addHeading(first->second.prefix + rangesText(numbers) + (numbers.size() > 1 ? ", each:" : ":"));
    for (const auto &[name, cells] : first->second.rows)
      addRow(table, "  " + name, cells);
    first = next;
  }
  for (const Json *tensor : after)
    addRow(table, (*tensor)["name"].get<std::string>(), cellsOf(*tensor));
}

void nibble::printWeights(llvm::raw_ostream &stream, const Json &weights, bool everyLayer) {
  Table table({"weight", "shape", "format", "inputs", ">parameters", ">size", ">bits/weight"});
  addTensors(table, weights["tensors"], everyLayer);
  table.print(stream);

  stream << "\n";
  Table totals({"kind", ">tensors", "formats", ">parameters", ">size", ">bits/weight", ">of all"});
  double all = weights["total"]["bytes"].get<double>();
  auto add = [&](const std::string &kind, const Json &total) {
    std::string formats;
    for (const Json &format : total["formats"])
      formats += (formats.empty() ? "" : ", ") + format.get<std::string>();
    double bytes = total["bytes"].get<double>();
    totals.add({kind, countText(total["tensors"].get<uint64_t>()), formats,
                countText(total["parameters"].get<uint64_t>()), bytesText(total["bytes"].get<uint64_t>()),
                fixedText(total["bits_per_weight"].get<double>()),
                fixedText(all > 0 ? 100 * bytes / all : 0, 1) + "%"});
  };
  for (const Json &kind : weights["by_kind"])
    add(kind["kind"].get<std::string>(), kind);
  add("all", weights["total"]);
  totals.print(stream);
}
