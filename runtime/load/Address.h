//===- Address.h - Where the server is ----------------------------------------------*- C++ -*-===//
//
// Plain HTTP only: what is measured is a server, not a proxy in front of it.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"

namespace nibble::load {

struct Address {
  std::string host, port; // "127.0.0.1", "8080"
  std::string base;       // what every path begins with: "" or "/api"
  /// As the header Host has it.
  std::string hostHeader() const;

  /// "http://127.0.0.1:8080", with or without "/v1" at its end.
  static Result<Address> parse(const std::string &url);
};

} // namespace nibble::load
