//===- CallObject.cpp - The JSON object that is one call --------------------------------------===//
#include "runtime/server/CallObject.h"
#include <algorithm>
#include <nlohmann/json.hpp>

namespace nibble::server {

static bool isSpace(char byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

/// The string that a JSON text is; nothing where it is something else.
static std::optional<std::string> stringOf(const std::string &json) {
  auto parsed = nlohmann::json::parse(json, nullptr, false);
  if (!parsed.is_string())
    return std::nullopt;
  return parsed.get<std::string>();
}

static bool isArguments(const std::string &member) { return member == "arguments" || member == "parameters"; }

CallObject::Step CallObject::feed(char byte) {
  switch (place) {
  case Place::Open:
    place = Place::FirstKey;
    return byte == '{' ? Step::More : Step::Broken;
  case Place::FirstKey:
    if (byte == '}')
      return endOfObject();
    [[fallthrough]];
  case Place::Key:
    if (isSpace(byte))
      return other ? Step::Other : Step::More;
    if (byte != '"')
      return Step::Broken;
    scanner = {};
    member.clear();
    place = Place::KeyText;
    [[fallthrough]];
  case Place::KeyText:
    return keyByte(byte);
  case Place::Colon:
    if (byte == ':') {
      scanner = {};
      value.clear();
      place = Place::Value;
    } else if (!isSpace(byte)) {
      return Step::Broken;
    }
    return other ? Step::Other : Step::More;
  case Place::Value:
    return valueByte(byte);
  case Place::AfterValue:
    if (byte == '}')
      return endOfObject();
    if (byte == ',')
      place = Place::Key;
    else if (!isSpace(byte))
      return Step::Broken;
    return other ? Step::Other : Step::More;
  }
  return Step::Broken;
}

CallObject::Step CallObject::keyByte(char byte) {
  auto step = scanner.feed(byte);
  if (step == JsonScanner::Step::Broken)
    return Step::Broken;
  if (other) {
    if (step == JsonScanner::Step::Done)
      place = Place::Colon;
    return Step::Other;
  }
  member += byte;
  if (step == JsonScanner::Step::Done) {
    place = Place::Colon;
    return endOfKey();
  }
  // No key of a call is that long, even if every character of it is escaped.
  return unmarked && member.size() > 64 ? fail() : Step::More;
}

CallObject::Step CallObject::endOfKey() {
  auto key = stringOf(member);
  if (!key)
    return fail();
  member = std::move(*key);
  if (isArguments(member)) {
    if (argumentsSeen)
      return fail();
    argumentsSeen = true;
    return Step::More;
  }
  if (member == "name")
    return known ? fail() : Step::More;
  return unmarked && member != "type" && member != "id" ? fail() : Step::More;
}

CallObject::Step CallObject::valueByte(char byte) {
  bool isObject = !text.empty() && text.front() == '{';
  bool ofArguments = !other && isArguments(member);
  auto step = scanner.feed(byte);
  if (step == JsonScanner::Step::Broken)
    return Step::Broken;
  if (step == JsonScanner::Step::DoneBefore) {
    place = Place::AfterValue;
    if (!other && endOfValue() == Step::Other) {
      auto next = feed(byte);
      return next == Step::More ? Step::Other : next;
    }
    return feed(byte);
  }
  if (!other) {
    if (ofArguments && (isObject || (value.empty() && byte == '{'))) {
      text += byte;
      argumentsBegan = true;
    } else if (!value.empty() || !isSpace(byte)) {
      value += byte;
    }
  }
  if (step == JsonScanner::Step::More) {
    if (other)
      return Step::Other;
    // A name is none as soon as it is longer than every name could be.
    if (member == "name" && value.size() > 2) {
      size_t longest = 0;
      for (const auto &name : names)
        longest = std::max(longest, name.size());
      if (value.size() > 6 * longest + 2)
        return fail();
    }
    return Step::More;
  }
  if (bare)
    return Step::Complete;
  place = Place::AfterValue;
  return other ? Step::Other : endOfValue();
}

CallObject::Step CallObject::endOfValue() {
  if (member == "name") {
    auto name = stringOf(value);
    if (!name || std::ranges::find(names, *name) == names.end())
      return fail();
    known = std::move(*name);
    return Step::More;
  }
  if (!isArguments(member) || !text.empty())
    return Step::More;
  if (value == "null") {
    text = "{}";
  } else {
    auto inner = stringOf(value);
    if (!inner || !nlohmann::json::parse(*inner, nullptr, false).is_object())
      return fail();
    text = std::move(*inner);
  }
  argumentsBegan = true;
  return Step::More;
}

CallObject::Step CallObject::endOfObject() {
  if (!other && known && !argumentsSeen && !unmarked) {
    text = "{}";
    argumentsBegan = true;
  }
  other = !isCall();
  return Step::Complete;
}

} // namespace nibble::server
