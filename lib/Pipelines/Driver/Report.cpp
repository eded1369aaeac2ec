//===- Report.cpp - What was made of a checkpoint ---------------------------------------------===//
#include "lib/Pipelines/Driver/Report.h"

#include "nibble/runtime/Manifest.h"

#include <algorithm>
#include <cstdio>
#include <map>

using namespace nibble;
using Json = nlohmann::json;

namespace {

/// Weights of layers that differ in nothing but the layer's number: one line of the table.
struct Line {
  std::string name; // the layer's number replaced by *
  std::vector<int64_t> layers;
  std::string shape, format, activations;
  uint64_t bytes = 0, elements = 0;
};

std::string text(const char *format, auto... values) {
  int size = std::snprintf(nullptr, 0, format, values...);
  std::string result(static_cast<size_t>(size), '\0');
  std::snprintf(result.data(), result.size() + 1, format, values...);
  return result;
}

std::string mebibytes(uint64_t bytes) {
  return bytes < (1u << 20) ? text("%.1f KiB", static_cast<double>(bytes) / 1024)
                            : text("%.1f MiB", static_cast<double>(bytes) / (1 << 20));
}

/// "0-15", "0-3,8".
std::string ranges(const std::vector<int64_t> &layers) {
  std::string result;
  for (size_t i = 0; i < layers.size();) {
    size_t last = i;
    while (last + 1 < layers.size() && layers[last + 1] == layers[last] + 1)
      ++last;
    result += (result.empty() ? "" : ",") + std::to_string(layers[i]);
    if (last > i)
      result += "-" + std::to_string(layers[last]);
    i = last + 1;
  }
  return result;
}

/// Takes the layer's number out of "model.layers.12.mlp.up_proj.weight".
std::optional<int64_t> takeLayer(std::string &name) {
  static constexpr std::string_view marker = ".layers.";
  size_t begin = name.find(marker);
  if (begin == std::string::npos)
    return std::nullopt;
  begin += marker.size();
  size_t end = begin;
  while (end < name.size() && name[end] >= '0' && name[end] <= '9')
    ++end;
  if (end == begin || end - begin > 9)
    return std::nullopt;
  int64_t layer = std::stoll(name.substr(begin, end - begin));
  name.replace(begin, end - begin, "*");
  return layer;
}

uint64_t elementsOf(const PlacedWeight &weight) {
  uint64_t count = 1;
  for (int64_t size : weight.shape)
    count *= static_cast<uint64_t>(size);
  return count;
}

std::vector<Line> groupLines(const Report &report) {
  std::vector<Line> lines;
  std::map<std::string, size_t> known;
  for (const PlacedWeight &weight : report.weights) {
    Line line;
    line.name = weight.name;
    std::optional<int64_t> layer = takeLayer(line.name);
    for (int64_t size : weight.shape)
      line.shape += (line.shape.empty() ? "" : "x") + std::to_string(size);
    line.format = formatSpelling(weight.format);
    if (auto planned = report.plan.tensors.find(weight.name); planned != report.plan.tensors.end())
      line.activations = activationsSpelling(planned->second.activations);
    std::string key = line.name + " " + line.shape + " " + line.format + " " + line.activations;
    auto [entry, isNew] = known.try_emplace(key, lines.size());
    if (isNew)
      lines.push_back(line);
    Line &target = lines[entry->second];
    if (layer)
      target.layers.push_back(*layer);
    target.bytes += weight.size;
    target.elements += elementsOf(weight);
  }
  return lines;
}

double bitsPerWeight(uint64_t bytes, uint64_t elements) {
  return elements ? 8 * static_cast<double>(bytes) / static_cast<double>(elements) : 0;
}

/// Bytes that a position takes in the cache of the default type.
uint64_t cacheBytes(const Report &report) {
  const Json &model = report.model;
  CacheType type = parseCacheType(report.cacheType).value_or(CacheType::F16);
  return 2 * model.value("layers", uint64_t(0)) * model.value("kv_heads", uint64_t(0)) *
         cacheRowBytes(type, model.value("head_dim", uint64_t(0)));
}

uint64_t totalElements(const Report &report) {
  uint64_t elements = 0;
  for (const PlacedWeight &weight : report.weights)
    elements += elementsOf(weight);
  return elements;
}

} // namespace

std::string nibble::reportTable(const Report &report) {
  std::vector<Line> lines = groupLines(report);
  std::vector<std::vector<std::string>> rows = {
      {"weight", "layers", "shape", "format", "activations", "size", "bits/weight"}};
  for (const Line &line : lines)
    rows.push_back({line.name, ranges(line.layers), line.shape, line.format, line.activations,
                    mebibytes(line.bytes), text("%.2f", bitsPerWeight(line.bytes, line.elements))});
  rows.push_back({"total", "", std::to_string(totalElements(report)) + " weights", "", "",
                  mebibytes(report.weightBytes),
                  text("%.2f", bitsPerWeight(report.weightBytes, totalElements(report)))});
  std::vector<size_t> widths(rows[0].size());
  for (const auto &row : rows)
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());

  std::string table = "\n";
  for (const auto &row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      std::string padding(widths[i] - row[i].size(), ' ');
      bool isNumber = i >= 5;
      table += (isNumber ? padding + row[i] : row[i] + (i + 1 < row.size() ? padding : "")) +
               (i + 1 < row.size() ? "  " : "\n");
    }
  }
  table += "\nmemory    " +
           text("%lld bytes a token and %lld a row of logits in a step; ",
                static_cast<long long>(report.arena[0]), static_cast<long long>(report.arena[1])) +
           text("%llu bytes a position in the KV cache (%s); ",
                static_cast<unsigned long long>(cacheBytes(report)), report.cacheType.c_str()) +
           mebibytes(static_cast<uint64_t>(report.privateBytes)) + " a thread\n";
  for (const Report::Variant &variant : report.variants)
    table += "code      " + variant.target + ": " + std::to_string(variant.kernels) + " kernels, " +
             mebibytes(variant.codeBytes) + ", " + std::to_string(report.dispatches) +
             " dispatches a step; tuned for " + variant.tuning + "\n";
  table += "file      " + report.output + ": " + mebibytes(report.fileBytes) + "\n";
  if (report.tuned)
    table += "\n" + tuneTable(*report.tuned);
  return table;
}

Json nibble::reportJson(const Report &report) {
  Json tensors = Json::array();
  for (const PlacedWeight &weight : report.weights) {
    Json entry = {{"name", weight.name},
                  {"shape", weight.shape},
                  {"format", formatSpelling(weight.format)},
                  {"bytes", weight.size},
                  {"bits_per_weight", bitsPerWeight(weight.size, elementsOf(weight))}};
    if (auto planned = report.plan.tensors.find(weight.name); planned != report.plan.tensors.end())
      entry["activations"] = activationsSpelling(planned->second.activations);
    tensors.push_back(std::move(entry));
  }
  Json variants = Json::array();
  for (const Report::Variant &variant : report.variants)
    variants.push_back({{"target", variant.target},
                        {"tuned_for", variant.tuning},
                        {"kernels", variant.kernels},
                        {"code_bytes", variant.codeBytes}});
  Json stages = Json::object();
  for (const auto &[name, seconds] : report.stages)
    stages[name] = seconds;
  Json json = {{"file", report.output},
               {"file_bytes", report.fileBytes},
               {"model", report.model},
               {"tensors", std::move(tensors)},
               {"weight_bytes", report.weightBytes},
               {"bits_per_weight", bitsPerWeight(report.weightBytes, totalElements(report))},
               {"memory",
                {{"arena", report.arena},
                 {"private_bytes", report.privateBytes},
                 {"cache_type", report.cacheType},
                 {"cache_bytes_a_position", cacheBytes(report)}}},
               {"dispatches", report.dispatches},
               {"variants", std::move(variants)},
               {"seconds", std::move(stages)}};
  if (report.tuned)
    json["tuning"] = tuneJson(*report.tuned);
  return json;
}
