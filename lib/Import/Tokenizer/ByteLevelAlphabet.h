//===- ByteLevelAlphabet.h - GPT-2's names of bytes ---------------------------------*- C++ -*-===//
//
// Byte-level vocabularies spell each byte as one printable character: bytes that print are themselves, the
// others follow from U+0100 on (Radford et al. 2019, the published encoder).
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nibble::tokenizer {

/// The character that names `byte`, in UTF-8.
std::string byteLevelName(uint8_t byte);

/// The bytes that `spelling` names, or nothing if one of its characters names none.
std::optional<std::string> byteLevelBytes(std::string_view spelling);

} // namespace nibble::tokenizer
