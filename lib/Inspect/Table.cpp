//===- Table.cpp - Text in columns ------------------------------------------------------------===//
#include "lib/Inspect/Table.h"

#include "llvm/Support/ConvertUTF.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Unicode.h"

#include <algorithm>

using namespace nibble;

std::string nibble::countText(uint64_t count) {
  std::string text = std::to_string(count);
  for (size_t end = text.size(); end > 3; end -= 3)
    text.insert(end - 3, ",");
  return text;
}

std::string nibble::fixedText(double value, int decimals) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.*f", decimals, value);
  return text;
}

std::string nibble::bytesText(uint64_t bytes) {
  static constexpr const char *kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024)
    return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < std::size(kUnits); ++unit)
    value /= 1024;
  return fixedText(value, 1) + " " + kUnits[unit];
}

std::string nibble::printable(const std::string &text) {
  std::string result = llvm::json::isUTF8(text) ? text : std::string();
  if (result.empty())
    for (char c : text)
      result += static_cast<unsigned char>(c) < 0x80 ? c : '?';
  for (char &c : result)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      c = '?';
  return result;
}

/// Columns on a terminal.
static size_t widthOf(const std::string &text) {
  int width = llvm::sys::unicode::columnWidthUTF8(text);
  return width < 0 ? text.size() : static_cast<size_t>(width);
}

Table::Table(std::vector<std::string> titles) {
  bool isTitled = std::ranges::any_of(titles, [](const std::string &title) { return title.size() > 1; });
  for (std::string &title : titles) {
    alignedRight.push_back(title.starts_with(">"));
    if (alignedRight.back())
      title.erase(0, 1);
  }
  if (isTitled)
    rows.push_back(std::move(titles));
}

void Table::add(std::vector<std::string> cells) {
  for (std::string &cell : cells)
    cell = printable(cell);
  rows.push_back(std::move(cells));
}

void Table::addHeading(std::string text) { rows.push_back({"\n" + printable(text)}); }

void Table::print(llvm::raw_ostream &stream, unsigned indent) const {
  std::vector<size_t> widths(alignedRight.size());
  auto isHeading = [](const auto &row) { return row.size() == 1 && row[0].starts_with("\n"); };
  for (const auto &row : rows)
    for (size_t i = 0; i < row.size() && !isHeading(row); ++i)
      widths[i] = std::max(widths[i], widthOf(row[i]));
  for (const auto &row : rows) {
    std::string line(indent, ' ');
    if (isHeading(row))
      line += row[0].substr(1);
    for (size_t i = 0; i < row.size() && !isHeading(row); ++i) {
      std::string padding(widths[i] - widthOf(row[i]), ' ');
      line += (i ? "  " : "") + (alignedRight[i] ? padding + row[i] : row[i] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    stream << line << "\n";
  }
}
