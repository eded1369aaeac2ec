//===- Diff.cpp - What differs between two artifacts or checkpoints ---------------------------===//
#include "lib/Inspect/Diff.h"

#include "lib/Inspect/Names.h"
#include "lib/Inspect/Table.h"
#include "lib/Inspect/Weights.h"

#include <map>

using namespace nibble;
using Json = nlohmann::ordered_json;

/// What is compared of a tensor; null for one that is not there.
static Json comparedPart(const Json *tensor) {
  if (!tensor)
    return nullptr;
  return {{"shape", (*tensor)["shape"]},
          {"format", (*tensor)["format"]},
          {"activations", tensor->value("activations", std::string())},
          {"bytes", (*tensor)["bytes"]}};
}

static Json totals(const Json &description) {
  Json json = {{"weights", description["weights"]["total"]["bytes"]},
               {"bits_per_weight", description["weights"]["total"]["bits_per_weight"]}};
  if (description.contains("segments")) {
    std::map<std::string, uint64_t> bytes;
    for (const Json &segment : description["segments"])
      bytes[segment["name"].get<std::string>()] += segment["bytes"].get<uint64_t>();
    json["segments"] = bytes;
  }
  return json;
}

Json nibble::describeDifferences(const Json &a, const Json &b) {
  std::map<std::string, const Json *> inB;
  for (const Json &tensor : b["weights"]["tensors"])
    inB[tensor["name"].get<std::string>()] = &tensor;
  Json tensors = Json::array();
  uint64_t alike = 0;
  auto compare = [&](const std::string &name, const Json *left, const Json *right) {
    Json before = comparedPart(left), after = comparedPart(right);
    if (before == after)
      ++alike;
    else
      tensors.push_back({{"name", name}, {"a", std::move(before)}, {"b", std::move(after)}});
  };
  for (const Json &tensor : a["weights"]["tensors"]) {
    std::string name = tensor["name"].get<std::string>();
    auto other = inB.find(name);
    compare(name, &tensor, other == inB.end() ? nullptr : other->second);
    if (other != inB.end())
      inB.erase(other);
  }
  for (const Json &tensor : b["weights"]["tensors"])
    if (std::string name = tensor["name"].get<std::string>(); inB.contains(name))
      compare(name, nullptr, &tensor);
  return {{"a", a["file"]},
          {"b", b["file"]},
          {"tensors", std::move(tensors)},
          {"alike", alike},
          {"totals", {{"a", totals(a)}, {"b", totals(b)}}}};
}

/// "128x64 int4-g32, int8 inputs, 4.5 KiB".
static std::string sideText(const Json &side, bool withShape) {
  if (side.is_null())
    return "-";
  std::string activations = side["activations"].get<std::string>();
  return (withShape ? shapeText(side["shape"]) + " " : "") + side["format"].get<std::string>() +
         (activations.empty() ? "" : ", " + activations + " inputs");
}

static uint64_t bytesOf(const Json &side) { return side.is_null() ? 0 : side["bytes"].get<uint64_t>(); }

/// "+3.1 KiB".
static std::string changeText(uint64_t before, uint64_t after) {
  return after < before ? "-" + bytesText(before - after)
                        : (after > before ? "+" : "") + bytesText(after - before);
}

namespace {
/// The same change in several layers is one line.
struct Line {
  std::string prefix, suffix; // around the layers' numbers
  std::vector<uint64_t> layers;
  std::string a, b;
  uint64_t bytesA = 0, bytesB = 0;
};
} // namespace

static std::vector<Line> linesOf(const Json &tensors) {
  std::vector<Line> lines;
  std::map<std::string, size_t> known;
  for (const Json &tensor : tensors) {
    std::string name = tensor["name"].get<std::string>();
    const Json &a = tensor["a"], &b = tensor["b"];
    bool sameShape = !a.is_null() && !b.is_null() && a["shape"] == b["shape"];
    Line line{name, "", {}, sideText(a, !sameShape), sideText(b, !sameShape), 0, 0};
    auto parts = splitLayer(name);
    if (parts)
      line.prefix = parts->prefix, line.suffix = "." + parts->suffix;
    auto [entry, isNew] =
        known.try_emplace(line.prefix + "\n" + line.suffix + "\n" + line.a + "\n" + line.b, lines.size());
    if (isNew)
      lines.push_back(std::move(line));
    Line &target = lines[entry->second];
    if (parts)
      target.layers.push_back(parts->layer);
    target.bytesA += bytesOf(a);
    target.bytesB += bytesOf(b);
  }
  return lines;
}

void nibble::printDifferences(llvm::raw_ostream &stream, const Json &differences) {
  stream << "a: " << printable(differences["a"].get<std::string>()) << "\n"
         << "b: " << printable(differences["b"].get<std::string>()) << "\n\n";
  uint64_t alike = differences["alike"].get<uint64_t>(), different = differences["tensors"].size();
  if (different) {
    Table table({"weight", "a", "b", ">size in a", ">size in b", ">change"});
    for (const Line &line : linesOf(differences["tensors"]))
      table.add({line.prefix + rangesText(line.layers) + line.suffix, line.a, line.b, bytesText(line.bytesA),
                 bytesText(line.bytesB), changeText(line.bytesA, line.bytesB)});
    table.print(stream);
    stream << "\n";
  }
  stream << different << (different == 1 ? " weight differs, " : " weights differ, ") << alike
         << (alike == 1 ? " is alike\n\n" : " are alike\n\n");

  const Json &a = differences["totals"]["a"], &b = differences["totals"]["b"];
  Table totals({"total", ">a", ">b", ">change"});
  auto add = [&](const std::string &name, uint64_t before, uint64_t after) {
    totals.add({name, bytesText(before), bytesText(after), changeText(before, after)});
  };
  add("weights", a["weights"].get<uint64_t>(), b["weights"].get<uint64_t>());
  double bitsA = a["bits_per_weight"].get<double>(), bitsB = b["bits_per_weight"].get<double>();
  totals.add({"bits/weight", fixedText(bitsA), fixedText(bitsB),
              (bitsB > bitsA ? "+" : "") + fixedText(bitsB - bitsA)});
  Json segmentsA = a.value("segments", Json::object()), segmentsB = b.value("segments", Json::object());
  std::map<std::string, std::pair<uint64_t, uint64_t>> segments;
  for (const auto &[name, bytes] : segmentsA.items())
    segments[name].first = bytes.get<uint64_t>();
  for (const auto &[name, bytes] : segmentsB.items())
    segments[name].second = bytes.get<uint64_t>();
  for (const auto &[name, bytes] : segments)
    if (name != "weights")
      add("segment " + name, bytes.first, bytes.second);
  totals.print(stream);
}
