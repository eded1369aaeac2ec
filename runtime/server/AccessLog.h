//===- AccessLog.h - A line for each request ----------------------------------------*- C++ -*-===//
#pragma once

#include "runtime/server/Answer.h"
#include <string>
#include <string_view>

namespace nibble::server {

/// 499, as nginx has it, stands for a client that hung up.
struct AccessLine {
  std::string_view peer, method, path, id;
  unsigned status = 0;
  double seconds = 0;
  Usage usage;
};

/// 2026-11-23T03:40:00.123Z 127.0.0.1:51234 "POST /v1/completions" 200 0.123s prompt=12 cached=0
/// completion=30 id=req-1. What the client chose is escaped: a line stays a line.
std::string accessLine(const AccessLine &line);

} // namespace nibble::server
