//===- Exposition.cpp - Prometheus' text format -----------------------------------------------===//
#include "runtime/server/Exposition.h"
#include <charconv>
#include <cmath>

namespace nibble::server {

std::string numberText(double value) {
  if (std::isnan(value))
    return "NaN";
  if (std::isinf(value))
    return value > 0 ? "+Inf" : "-Inf";
  char digits[32];
  auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  std::string text(digits, end);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

std::string labelText(std::string_view text) {
  std::string escaped = "\"";
  for (char byte : text) {
    if (byte == '\n') {
      escaped += "\\n";
      continue;
    }
    if (byte == '\\' || byte == '"')
      escaped += '\\';
    escaped += byte;
  }
  return escaped + '"';
}

void writeFamily(std::string &text, std::string_view name, std::string_view type, std::string_view help) {
  for (auto part : {std::string_view("# HELP "), name, std::string_view(" "), help,
                    std::string_view("\n# TYPE "), name, std::string_view(" "), type, std::string_view("\n")})
    text += part;
}

void writeSample(std::string &text, std::string_view name, std::string_view labels, double value) {
  text += name;
  if (!labels.empty())
    (text += '{').append(labels) += '}';
  (text += ' ') += numberText(value);
  text += '\n';
}

} // namespace nibble::server
