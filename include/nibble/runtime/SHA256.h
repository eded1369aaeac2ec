//===- SHA256.h - The hash that artifacts are checked by ----------------------------*- C++ -*-===//
//
// A thin value over libmd, whose static archive Debian ships, so that writer and reader need no cryptographic
// library on the machine where an artifact runs.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace nibble {

using SHA256Digest = std::array<uint8_t, 32>;

/// Hashes bytes as they stream by.
class SHA256 {
public:
  SHA256();
  void update(std::span<const std::byte> bytes);
  /// Ends the stream; the object must not be used afterwards.
  SHA256Digest finish();

  static SHA256Digest of(std::span<const std::byte> bytes);

private:
  alignas(8) std::array<std::byte, 208> state; // libmd's SHA2_CTX
};

/// 64 lower-case hexadecimal digits.
std::string hexDigits(const SHA256Digest &digest);
/// False where `text` is not 64 hexadecimal digits.
bool parseHexDigits(const std::string &text, SHA256Digest &digest);

} // namespace nibble
