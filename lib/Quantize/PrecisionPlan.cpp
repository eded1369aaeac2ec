//===- PrecisionPlan.cpp - Reading and writing plan files -------------------------------------===//
//
// People edit these files: every message says where it looks and what it would take. Repeated keys, which
// JSON libraries let pass, are refused, since one of the two edits would be lost.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Quantize/PrecisionPlan.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <system_error>

using namespace nibble;
using Json = nlohmann::json;

static constexpr int kMaxDepth = 8;
static constexpr std::uintmax_t kMaxFileBytes = 16 << 20;

/// In the order of the enumeration.
static constexpr std::string_view kActivations[] = {"f32", "int8", "int16", "bf16"};

Result<Activations> nibble::parseActivations(std::string_view spelling) {
  if (auto found = std::ranges::find(kActivations, spelling); found != std::end(kActivations))
    return static_cast<Activations>(found - std::begin(kActivations));
  return failure("\"" + std::string(spelling) +
                 "\" is not a precision of activations; expected f32, bf16, int8 or int16");
}

std::string nibble::activationsSpelling(Activations activations) {
  return std::string(kActivations[static_cast<size_t>(activations)]);
}

Activations nibble::defaultActivations(const Format &format) {
  return format.isFloat() ? Activations::F32 : Activations::Int8;
}

/// Takes a run of digits (without leading zeros) off the front of `text`.
static std::string_view takeNumber(std::string_view &text) {
  size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  std::string_view digits = text.substr(0, end);
  text.remove_prefix(end);
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits;
}

bool NaturalLess::operator()(std::string_view a, std::string_view b) const {
  std::string_view restA = a, restB = b;
  auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
  while (!restA.empty() && !restB.empty()) {
    if (isDigit(restA[0]) && isDigit(restB[0])) {
      std::string_view x = takeNumber(restA), y = takeNumber(restB);
      if (x.size() != y.size())
        return x.size() < y.size();
      if (x != y)
        return x < y;
      continue;
    }
    if (restA[0] != restB[0])
      return static_cast<unsigned char>(restA[0]) < static_cast<unsigned char>(restB[0]);
    restA.remove_prefix(1);
    restB.remove_prefix(1);
  }
  if (restA.empty() != restB.empty())
    return restA.empty();
  return a < b; // equal but for leading zeros
}

static std::string quoted(const std::string &text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// JSON to a tree; refuses what a plan never has: depth, repeated keys.
static Result<Json> parseTree(std::string_view text, const std::string &file) {
  std::vector<std::set<std::string>> keys; // of the objects that are open
  std::string problem;
  auto watch = [&](int depth, Json::parse_event_t event, Json &value) {
    if (depth > kMaxDepth && problem.empty())
      problem = "values are nested more than " + std::to_string(kMaxDepth) + " deep";
    if (!problem.empty())
      return false; // nothing more is kept
    if (event == Json::parse_event_t::object_start)
      keys.emplace_back();
    else if (event == Json::parse_event_t::object_end)
      keys.pop_back();
    else if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second)
      problem = "the key " + quoted(value.get<std::string>()) + " stands twice in one object; remove one";
    return true;
  };
  Json tree;
  try {
    tree = Json::parse(text, watch);
  } catch (const Json::exception &e) {
    return failure(file + ": not valid JSON: " + e.what());
  }
  if (!problem.empty())
    return failure(file + ": " + problem);
  return tree;
}

static Result<void> checkKeys(const Json &object, std::initializer_list<std::string_view> allowed,
                              const std::string &where) {
  if (!object.is_object())
    return failure(where + ": expected an object, found " + object.type_name());
  for (const auto &[key, value] : object.items())
    if (std::find(allowed.begin(), allowed.end(), key) == allowed.end()) {
      std::string list;
      for (std::string_view name : allowed)
        list += (list.empty() ? "\"" : " or \"") + std::string(name) + "\"";
      return failure(where + ": unknown key " + quoted(key) + "; expected " + list);
    }
  return {};
}

static Result<std::string> stringAt(const Json &object, const char *key, const std::string &where,
                                    const char *example) {
  auto found = object.find(key);
  if (found == object.end())
    return failure(where + ": \"" + key + "\" is missing; expected a string such as \"" + example + "\"");
  if (!found->is_string())
    return failure(where + ": \"" + key + "\" is " + found->type_name() + ", expected a string such as \"" +
                   example + "\"");
  return found->get<std::string>();
}

static Result<TensorPrecision> parseTensor(const Json &entry, const std::string &where) {
  NIBBLE_CHECK(checkKeys(entry, {"format", "activations"}, where));
  NIBBLE_TRY(std::string spelling, stringAt(entry, "format", where, "int4-g32"));
  Result<Format> format = parseFormat(spelling);
  if (!format)
    return failure(where + ": " + format.error().message);
  TensorPrecision precision{*format, defaultActivations(*format)};
  if (!entry.contains("activations"))
    return precision;
  NIBBLE_TRY(spelling, stringAt(entry, "activations", where, "int8"));
  Result<Activations> activations = parseActivations(spelling);
  if (!activations)
    return failure(where + ": " + activations.error().message);
  if (isInteger(*activations) && format->isFloat())
    return failure(where + ": activations \"" + activationsSpelling(*activations) +
                   "\" need an integer weight, the format is \"" + formatSpelling(*format) +
                   "\"; use \"f32\", or int8-g32 as the format");
  precision.activations = *activations;
  return precision;
}

Result<PrecisionPlan> nibble::parsePlan(std::string_view json, const std::string &file) {
  NIBBLE_TRY(Json tree, parseTree(json, file));
  NIBBLE_CHECK(checkKeys(tree, {"version", "tensors", "tuning"}, file));
  if (!tree.contains("version") || tree["version"] != 1)
    return failure(file + ": \"version\" is " +
                   (tree.contains("version") ? tree["version"].dump() : "missing") +
                   ", this version of nibble reads 1");
  if (!tree.contains("tensors") || !tree["tensors"].is_object())
    return failure(file + ": expected \"tensors\" to be an object of tensor names");
  PrecisionPlan plan;
  for (const auto &[name, entry] : tree["tensors"].items()) {
    NIBBLE_TRY(TensorPrecision precision, parseTensor(entry, file + ": tensor " + quoted(name)));
    plan.tensors.emplace(name, precision);
  }
  if (!tree.contains("tuning"))
    return plan;
  if (!tree["tuning"].is_object())
    return failure(file + ": expected \"tuning\" to be an object of target names");
  for (const auto &[target, entry] : tree["tuning"].items()) {
    if (!entry.is_string())
      return failure(file + ": tuning of " + quoted(target) + ": found " + entry.type_name() +
                     ", expected a string such as \"znver4,tile-tokens=4\"");
    plan.tuning[target] = entry.get<std::string>();
  }
  return plan;
}

Result<PrecisionPlan> nibble::readPlan(const std::filesystem::path &file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error))
    return failure(file.string() + ": is a directory, expected a plan file (JSON)");
  std::ifstream in(file, std::ios::binary);
  if (!in)
    return failure(file.string() + ": cannot be opened: " + std::generic_category().message(errno));
  std::string text;
  std::vector<char> piece(1 << 16);
  while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0) {
    text.append(piece.data(), static_cast<size_t>(in.gcount()));
    if (text.size() > kMaxFileBytes)
      return failure(file.string() + ": larger than 16 MiB; this is not a plan file");
  }
  if (in.bad())
    return failure(file.string() + ": cannot be read: " + std::generic_category().message(errno));
  return parsePlan(text, file.string());
}

std::string nibble::printPlan(const PrecisionPlan &plan) {
  std::string text = "{\n  \"version\": 1,\n";
  const char *separator = "  \"tuning\": {\n";
  for (const auto &[target, tuning] : plan.tuning) {
    text += separator + std::string("    ") + quoted(target) + ": " + quoted(tuning);
    separator = ",\n";
  }
  text += plan.tuning.empty() ? "" : "\n  },\n";
  text += "  \"tensors\": {";
  separator = "\n";
  for (const auto &[name, precision] : plan.tensors) {
    text += separator + std::string("    ") + quoted(name) + ": {\"format\": \"" +
            formatSpelling(precision.format) + "\", \"activations\": \"" +
            activationsSpelling(precision.activations) + "\"}";
    separator = ",\n";
  }
  return text + (plan.tensors.empty() ? "}\n}\n" : "\n  }\n}\n");
}

Result<void> nibble::writePlan(const PrecisionPlan &plan, const std::filesystem::path &file) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  bool opened = out.is_open();
  out << printPlan(plan);
  out.close();
  if (out)
    return {};
  std::string why = std::generic_category().message(errno);
  std::error_code ignored;
  if (opened && std::filesystem::is_regular_file(file, ignored))
    std::filesystem::remove(file, ignored);
  return failure(file.string() + ": the plan cannot be written: " + why);
}

/// Levenshtein's distance, in memory for one row.
static size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t(0));
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      size_t change = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

Result<void> nibble::checkPlanTensors(const PrecisionPlan &plan, std::span<const std::string> known,
                                      const std::string &file) {
  std::set<std::string_view> names(known.begin(), known.end());
  for (const auto &[name, precision] : plan.tensors) {
    if (names.count(name))
      continue;
    std::string message =
        file + ": tensor " + quoted(name) + " is not a weight of this checkpoint that has a format";
    std::string_view lookFor = std::string_view(name).substr(0, 256);
    auto nearer = [&](std::string_view a, std::string_view b) {
      return editDistance(a.substr(0, 256), lookFor) < editDistance(b.substr(0, 256), lookFor);
    };
    if (!names.empty())
      message += "; did you mean " +
                 quoted(std::string(*std::min_element(names.begin(), names.end(), nearer))) + "?";
    return failure(message);
  }
  return {};
}
