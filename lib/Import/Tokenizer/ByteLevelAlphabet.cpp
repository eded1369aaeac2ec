//===- ByteLevelAlphabet.cpp - GPT-2's names of bytes -----------------------------------------===//

#include "ByteLevelAlphabet.h"
#include <array>

using namespace nibble;

static constexpr bool prints(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/// codePoints[b] names byte b: one to two bytes of UTF-8, at most U+0143.
static constexpr std::array<uint16_t, 256> codePoints = [] {
  std::array<uint16_t, 256> table{};
  uint16_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte)
    table[byte] = prints(byte) ? static_cast<uint16_t>(byte) : next++;
  return table;
}();

std::string tokenizer::byteLevelName(uint8_t byte) {
  uint16_t c = codePoints[byte];
  if (c < 0x80)
    return {static_cast<char>(c)};
  return {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
}

std::optional<std::string> tokenizer::byteLevelBytes(std::string_view spelling) {
  static constexpr std::array<int16_t, 0x144> byteOf = [] {
    std::array<int16_t, 0x144> table{};
    table.fill(-1);
    for (unsigned byte = 0; byte < 256; ++byte)
      table[codePoints[byte]] = static_cast<int16_t>(byte);
    return table;
  }();
  std::string bytes;
  for (size_t at = 0; at < spelling.size(); ++at) {
    auto lead = static_cast<unsigned char>(spelling[at]);
    unsigned c = lead;
    if (lead >= 0x80) {
      if ((lead & 0xe0) != 0xc0 || at + 1 == spelling.size())
        return std::nullopt;
      c = (lead & 0x1fu) << 6 | (static_cast<unsigned char>(spelling[++at]) & 0x3fu);
    }
    if (c >= byteOf.size() || byteOf[c] < 0)
      return std::nullopt;
    bytes += static_cast<char>(byteOf[c]);
  }
  return bytes;
}
