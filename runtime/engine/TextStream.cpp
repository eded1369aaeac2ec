//===- TextStream.cpp - From tokens to text that may be shown ---------------------------------===//

#include "runtime/engine/TextStream.h"
#include <algorithm>
#include <utility>

using namespace nibble;

StopStringFilter::StopStringFilter(std::vector<std::string> newStops) : stops(std::move(newStops)) {
  std::erase_if(stops, [](const std::string &stop) { return stop.empty(); });
}

std::string StopStringFilter::push(std::string_view part) {
  if (stopped)
    return {};
  held += part;
  size_t first = std::string::npos;
  for (const std::string &stop : stops)
    first = std::min(first, held.find(stop));
  if (first != std::string::npos) {
    stopped = true;
    std::string text = held.substr(0, first);
    held.clear();
    return text;
  }
  // Keep the longest end of the text that begins a stop string.
  size_t keep = 0;
  for (const std::string &stop : stops)
    for (size_t length = std::min(stop.size() - 1, held.size()); length > keep; --length)
      if (held.compare(held.size() - length, length, stop, 0, length) == 0)
        keep = length;
  std::string text = held.substr(0, held.size() - keep);
  held.erase(0, text.size());
  return text;
}

std::string StopStringFilter::finish() { return std::exchange(held, {}); }
