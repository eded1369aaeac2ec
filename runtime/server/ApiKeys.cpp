//===- ApiKeys.cpp - Who may ask --------------------------------------------------------------===//

#include "runtime/server/ApiKeys.h"

using namespace nibble;
using namespace nibble::server;

static SHA256Digest hashOf(std::string_view key) {
  return SHA256::of(std::as_bytes(std::span(key.data(), key.size())));
}

void ApiKeys::add(std::string_view key) { hashes.push_back(hashOf(key)); }

std::optional<size_t> ApiKeys::find(std::string_view authorization) const {
  constexpr std::string_view scheme = "bearer ";
  std::string_view key = authorization;
  for (char expected : scheme) {
    if (key.empty() || (key.front() | 0x20) != (expected | 0x20))
      return std::nullopt;
    key.remove_prefix(1);
  }
  while (!key.empty() && key.front() == ' ')
    key.remove_prefix(1);
  SHA256Digest offered = hashOf(key);
  std::optional<size_t> found;
  for (size_t i = 0; i < hashes.size(); ++i) {
    uint8_t different = 0;
    for (size_t byte = 0; byte < offered.size(); ++byte)
      different |= static_cast<uint8_t>(offered[byte] ^ hashes[i][byte]);
    if (different == 0)
      found = i;
  }
  return found;
}
