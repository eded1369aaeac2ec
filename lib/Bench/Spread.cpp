//===- Spread.cpp - What several rounds gave, and how it is printed ---------------------------===//
#include "lib/Bench/Spread.h"

#include <algorithm>
#include <cstdio>

using namespace nibble;

Spread::Spread(std::vector<double> values) {
  std::ranges::sort(values);
  size_t half = values.size() / 2;
  median = values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
  least = values.front();
  most = values.back();
}

std::string Spread::percent() const {
  char text[64];
  std::snprintf(text, sizeof text, "%.1f%% [%.1f %.1f]", median * 100, least * 100, most * 100);
  return text;
}

void nibble::printCSV(const std::vector<ResultLine> &lines) {
  std::string header;
  for (auto [name, value] : lines.front().what)
    header += (header.empty() ? "" : ",") + std::string(name);
  for (const auto &[name, spread] : lines.front().columns)
    header += std::string(",") + name + "," + name + "_least," + name + "_most";
  std::puts(header.c_str());
  for (const ResultLine &line : lines) {
    std::string text;
    for (auto [name, value] : line.what)
      text += (text.empty() ? "" : ",") + std::to_string(value);
    std::printf("%s", text.c_str());
    for (const auto &[name, spread] : line.columns)
      std::printf(",%.6g,%.6g,%.6g", spread.median, spread.least, spread.most);
    std::puts("");
  }
}

void nibble::printJson(nlohmann::ordered_json document, const std::vector<ResultLine> &lines) {
  auto results = nlohmann::ordered_json::array();
  for (const ResultLine &line : lines) {
    nlohmann::ordered_json entry;
    for (auto [name, value] : line.what)
      entry[name] = value;
    for (const auto &[name, spread] : line.columns)
      entry[name] = {{"median", spread.median}, {"least", spread.least}, {"most", spread.most}};
    results.push_back(std::move(entry));
  }
  document["results"] = std::move(results);
  std::puts(document.dump().c_str());
}
