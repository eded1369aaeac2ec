//===- CallObject.h - The JSON object that is one call ------------------------------*- C++ -*-===//
//
// Reads {"name": "f", "arguments": {...}} byte by byte, members in any order, and says as early as it can
// that it is none. "parameters" is another word for "arguments"; a string there holds the object's JSON text.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "runtime/server/JsonScanner.h"
#include <optional>
#include <span>
#include <string>

namespace nibble::server {

class CallObject {
public:
  enum class Step : uint8_t {
    More,
    Complete, // the byte ends the call
    Other,    // JSON still, but no call: an unknown function, a member that calls do not have
    Broken,   // the byte is not JSON
  };

  /// `names` are the functions that there are, and outlive the object. `unmarked`: no mark said that a call
  /// comes, so there must be arguments, and no members but those of calls.
  CallObject(std::span<const std::string> names, bool unmarked) : names(names), unmarked(unmarked) {}
  /// The name is known already; what is fed are the arguments alone.
  CallObject(std::span<const std::string> names, std::string name)
      : names(names), known(std::move(name)), bare(true), place(Place::Value), member("arguments") {}

  /// Begins with '{'. After Other, more may be fed: Other until the JSON is complete (Complete) or Broken.
  Step feed(char byte);

  /// Whether it is certain that a function of that name is called.
  bool isCall() const { return known && argumentsBegan && !other; }
  const std::string &name() const { return *known; }
  /// Of the JSON text of the arguments as far as it came.
  const std::string &arguments() const { return text; }

private:
  enum class Place : uint8_t { Open, FirstKey, Key, KeyText, Colon, Value, AfterValue };

  Step keyByte(char byte);
  Step valueByte(char byte);
  Step endOfKey();
  Step endOfValue();
  Step endOfObject();
  Step fail() {
    other = true;
    return Step::Other;
  }

  std::span<const std::string> names;
  std::optional<std::string> known;
  bool unmarked = false, bare = false, other = false, argumentsBegan = false;
  bool argumentsSeen = false; // the member; a second one is none
  Place place = Place::Open;
  JsonScanner scanner;
  std::string member; // the key that is read, then whose value is read
  std::string value;  // JSON text of a value other than the arguments' object
  std::string text;   // JSON text of the arguments
};

} // namespace nibble::server
