//===- AccessLog.cpp - A line for each request ------------------------------------------------===//

#include "runtime/server/AccessLog.h"
#include "runtime/server/Errors.h"
#include <chrono>
#include <cstdio>
#include <ctime>

using namespace nibble;
using namespace nibble::server;

std::string server::accessLine(const AccessLine &line) {
  using namespace std::chrono;
  auto now = system_clock::now();
  std::time_t seconds = system_clock::to_time_t(now);
  auto milliseconds =
      static_cast<int>(duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000);
  std::tm time = {};
  ::gmtime_r(&seconds, &time);
  char stamp[40], numbers[160];
  size_t length = std::strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &time);
  std::snprintf(stamp + length, sizeof(stamp) - length, ".%03dZ", milliseconds);
  std::snprintf(numbers, sizeof(numbers), " %u %.3fs prompt=%llu cached=%llu completion=%llu", line.status,
                line.seconds, static_cast<unsigned long long>(line.usage.promptTokens),
                static_cast<unsigned long long>(line.usage.cachedTokens),
                static_cast<unsigned long long>(line.usage.completionTokens));
  std::string text = stamp;
  text.append(" ").append(line.peer).append(" ");
  text += excerpt(std::string(line.method) + " " + std::string(line.path), 256);
  return text.append(numbers).append(" id=").append(line.id);
}
