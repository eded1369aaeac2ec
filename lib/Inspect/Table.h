//===- Table.h - Text in columns ----------------------------------------------------*- C++ -*-===//
//
// Cells may come from any checkpoint, so control characters never reach the terminal.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "llvm/Support/raw_ostream.h"

#include <cstdint>
#include <string>
#include <vector>

namespace nibble {

/// "1,234,567".
std::string countText(uint64_t count);
/// "512 B", "1.5 KiB", "12.0 MiB".
std::string bytesText(uint64_t bytes);
/// "4.50".
std::string fixedText(double value, int decimals = 2);
/// Control characters and bytes that are no UTF-8 replaced by '?'.
std::string printable(const std::string &text);

class Table {
public:
  /// Titles of the columns; one that starts with '>' is aligned to the right. Without titles only cells are
  /// printed, all to the left.
  explicit Table(std::vector<std::string> titles);

  void add(std::vector<std::string> cells);
  /// A line of its own between rows, as wide as it likes.
  void addHeading(std::string text);
  /// Each line after `indent` spaces, without spaces at its end.
  void print(llvm::raw_ostream &stream, unsigned indent = 0) const;

private:
  std::vector<bool> alignedRight;
  std::vector<std::vector<std::string>> rows; // a heading is a row of one cell that starts with '\n'
};

} // namespace nibble
