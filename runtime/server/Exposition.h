//===- Exposition.h - Prometheus' text format ---------------------------------------*- C++ -*-===//
//
// Lines of version 0.0.4: "# HELP", "# TYPE" and samples.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <string>
#include <string_view>

namespace nibble::server {

/// As few digits as give the number back; whole numbers end in ".0", as Prometheus' own libraries write them.
std::string numberText(double value);
/// `text` between quotes: backslash, quote and newline escaped.
std::string labelText(std::string_view text);
/// The two lines before the samples of a family; `type` is "counter", "gauge" or "histogram".
void writeFamily(std::string &text, std::string_view name, std::string_view type, std::string_view help);
void writeSample(std::string &text, std::string_view name, std::string_view labels, double value);

} // namespace nibble::server
