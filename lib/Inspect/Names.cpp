//===- Names.cpp - Names that were meant, and layers in names ---------------------------------===//
#include "lib/Inspect/Names.h"

#include "llvm/ADT/StringRef.h"

#include <algorithm>
#include <charconv>

using namespace nibble;

static constexpr size_t kProposals = 3;
static constexpr size_t kComparedLength = 256; // of a name; the distance takes time with its square

std::string nibble::nearestNames(std::string_view wanted, std::span<const std::string> known) {
  llvm::StringRef compared = llvm::StringRef(wanted).take_front(kComparedLength);
  std::vector<std::pair<size_t, size_t>> ranked; // distance, index in `known`
  for (const std::string &name : known) {
    bool contains = !wanted.empty() && name.find(wanted) != std::string::npos;
    size_t distance = llvm::StringRef(name).take_front(kComparedLength).edit_distance(compared);
    ranked.emplace_back(contains ? 0 : 1 + distance, ranked.size());
  }
  size_t count = std::min(kProposals, ranked.size());
  std::ranges::sort(ranked);
  std::string text;
  for (size_t i = 0; i < count; ++i)
    text += (i == 0 ? "" : i + 1 == count ? " and " : ", ") + known[ranked[i].second];
  if (count == 0)
    return "; it has none";
  return (count == 1 ? "; the nearest is " : "; the nearest are ") + text;
}

std::optional<LayerName> nibble::splitLayer(std::string_view name) {
  static constexpr std::string_view kMarker = ".layers.";
  size_t begin = name.find(kMarker);
  if (begin == std::string_view::npos)
    return std::nullopt;
  begin += kMarker.size();
  LayerName parts;
  auto [end, error] = std::from_chars(name.data() + begin, name.data() + name.size(), parts.layer);
  if (error != std::errc() || end == name.data() + name.size() || *end != '.')
    return std::nullopt;
  parts.prefix = name.substr(0, begin);
  parts.suffix = name.substr(static_cast<size_t>(end - name.data()) + 1);
  return parts;
}

std::string nibble::rangesText(const std::vector<uint64_t> &numbers) {
  std::string text;
  for (size_t first = 0; first < numbers.size();) {
    size_t last = first;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1)
      ++last;
    text += (text.empty() ? "" : ",") + std::to_string(numbers[first]);
    if (last > first)
      text += "-" + std::to_string(numbers[last]);
    first = last + 1;
  }
  return text;
}
