//===- EventReader.cpp - Server-sent events off a stream of bytes -----------------------------===//

#include "runtime/load/EventReader.h"
#include <utility>

using namespace nibble::load;

static constexpr size_t kMostBytes = 1u << 20;

void EventReader::endLine(const std::function<void(std::string_view data)> &hear) {
  if (line.empty()) {
    if (std::exchange(hasData, false))
      hear(data);
    data.clear();
    return;
  }
  size_t colon = line.find(':');
  if (std::string_view(line).substr(0, colon) == "data") {
    size_t begin = colon == std::string::npos ? line.size() : colon + 1;
    if (begin < line.size() && line[begin] == ' ')
      ++begin;
    if (std::exchange(hasData, true))
      data += '\n';
    data.append(line, begin);
  }
  line.clear();
}

bool EventReader::take(std::string_view bytes, const std::function<void(std::string_view data)> &hear) {
  while (!bytes.empty()) {
    if (std::exchange(afterReturn, false) && bytes[0] == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    size_t end = bytes.find_first_of("\r\n");
    line.append(bytes.substr(0, end));
    if (line.size() + data.size() > kMostBytes)
      return false;
    if (end == std::string_view::npos)
      break;
    afterReturn = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    endLine(hear);
  }
  return true;
}
