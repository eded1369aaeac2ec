//===- TextStream.h - From tokens to text that may be shown -------------------------*- C++ -*-===//
//
// Between the detokenizer and whoever reads along: holds back what may yet turn out to be a stop string.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nibble {

/// Finds the first of several stop strings in a text that arrives in parts.
class StopStringFilter {
public:
  explicit StopStringFilter(std::vector<std::string> stops);

  /// Takes the next part and gives what is certain to precede any stop string. Once a stop string is complete
  /// (isStopped), what preceded it has been given and nothing more comes.
  std::string push(std::string_view part);
  /// The text has ended: gives what was held back.
  std::string finish();
  bool isStopped() const { return stopped; }

private:
  std::vector<std::string> stops;
  std::string held;
  bool stopped = false;
};

} // namespace nibble
