//===- SHA256.cpp - The hash that artifacts are checked by ------------------------------------===//

#include "nibble/runtime/SHA256.h"
#include <new>
#include <sha2.h>

using namespace nibble;

SHA256::SHA256() {
  static_assert(sizeof(SHA2_CTX) <= 208 && alignof(SHA2_CTX) <= 8);
  SHA256Init(new (state.data()) SHA2_CTX);
}

void SHA256::update(std::span<const std::byte> bytes) {
  SHA256Update(reinterpret_cast<SHA2_CTX *>(state.data()), reinterpret_cast<const uint8_t *>(bytes.data()),
               bytes.size());
}

SHA256Digest SHA256::finish() {
  SHA256Digest digest;
  SHA256Final(digest.data(), reinterpret_cast<SHA2_CTX *>(state.data()));
  return digest;
}

SHA256Digest SHA256::of(std::span<const std::byte> bytes) {
  SHA256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string nibble::hexDigits(const SHA256Digest &digest) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(64);
  for (uint8_t byte : digest) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

bool nibble::parseHexDigits(const std::string &text, SHA256Digest &digest) {
  auto value = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  if (text.size() != 64)
    return false;
  for (size_t i = 0; i < 32; ++i) {
    int high = value(text[2 * i]), low = value(text[2 * i + 1]);
    if (high < 0 || low < 0)
      return false;
    digest[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return true;
}
