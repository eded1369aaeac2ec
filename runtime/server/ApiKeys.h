//===- ApiKeys.h - Who may ask ------------------------------------------------------*- C++ -*-===//
//
// Only hashes of the keys are kept, and a key that is offered is compared with all of them to the last byte:
// the time it takes says nothing about any key.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/SHA256.h"
#include <optional>
#include <string_view>
#include <vector>

namespace nibble::server {

class ApiKeys {
public:
  void add(std::string_view key);
  bool empty() const { return hashes.empty(); }
  size_t size() const { return hashes.size(); }
  /// The number of the key in a header "Authorization: Bearer KEY"; nothing where it is none of them.
  std::optional<size_t> find(std::string_view authorization) const;

private:
  std::vector<SHA256Digest> hashes;
};

} // namespace nibble::server
