//===- Philox.h - Counter-based random numbers --------------------------------------*- C++ -*-===//
//
// Philox4x32-10 of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011): a bijection of a
// counter under a key. No state, so draws may happen in any order and anywhere.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <array>
#include <cstdint>

namespace nibble {

inline std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  constexpr uint64_t multiplier0 = 0xD2511F53, multiplier1 = 0xCD9E8D57;
  constexpr uint32_t weyl0 = 0x9E3779B9, weyl1 = 0xBB67AE85; // golden ratio, sqrt(3) - 1
  for (int round = 0; round < 10; ++round) {
    uint64_t product0 = multiplier0 * counter[0], product1 = multiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key[0] += weyl0;
    key[1] += weyl1;
  }
  return counter;
}

/// Uniform in [0, 1), a multiple of 2^-53, for one draw of one choice of one request.
inline double uniform(uint64_t seed, uint32_t choice, uint64_t token) {
  auto bits = philox4x32({static_cast<uint32_t>(token), static_cast<uint32_t>(token >> 32), choice, 0},
                         {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  uint64_t mantissa = (static_cast<uint64_t>(bits[0]) << 32 | bits[1]) >> 11;
  return static_cast<double>(mantissa) * 0x1p-53;
}

} // namespace nibble
