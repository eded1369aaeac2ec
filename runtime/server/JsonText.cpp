//===- JsonText.cpp - Writing JSON without building it ----------------------------------------===//

#include "runtime/server/JsonText.h"
#include "runtime/tokenizer/UTF8.h"
#include <charconv>

using namespace nibble;
using namespace nibble::server;

void server::appendQuoted(std::string &out, std::string_view text) {
  out += '"';
  for (size_t at = 0; at < text.size();) {
    auto byte = static_cast<unsigned char>(text[at]);
    if (byte >= 0x80) {
      tokenizer::Sequence sequence = tokenizer::scanSequence(text, at);
      out += sequence.valid ? text.substr(at, sequence.length) : tokenizer::replacementCharacter;
      at += sequence.length;
      continue;
    }
    ++at;
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += static_cast<char>(byte);
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\t') {
      out += "\\t";
    } else if (byte == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7f) {
      const char *digits = "0123456789abcdef";
      out += "\\u00";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else {
      out += static_cast<char>(byte);
    }
  }
  out += '"';
}

void server::appendLogprob(std::string &out, float value) {
  if (!(value > -9999.0f)) {
    out += "-9999.0";
    return;
  }
  char digits[32];
  auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  std::string_view text(digits, static_cast<size_t>(end - digits));
  out += text;
  if (text.find_first_of(".e") == std::string_view::npos)
    out += ".0";
}

void server::appendNumber(std::string &out, uint64_t value) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
}
