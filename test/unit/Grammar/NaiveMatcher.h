//===- NaiveMatcher.h - JSON schemas by brute force ---------------------------------*- C++ -*-===//
//
// An oracle that shares nothing with the runtime: it walks a text by the schema, trying everything, and says
// whether it may end there and whether it may go on. It knows const, integers, strings with bounds, objects
// with optional and additional properties, arrays with bounds, anyOf and $ref, written as the policies of
// SchemaCompiler.h say.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

namespace nibble::test {

class NaiveMatcher {
public:
  using Json = nlohmann::ordered_json;
  NaiveMatcher(const Json &root, std::string text) : root(root), text(std::move(text)) {
    for (size_t end : value(root, 0))
      whole |= end == this->text.size();
  }
  bool isWhole() const { return whole; }
  /// Some text of the schema begins with this one.
  bool begins() const { return whole || mayGoOn; }

private:
  using Ends = std::set<size_t>;
  const Json &root;
  std::string text;
  bool whole = false, mayGoOn = false;

  /// A text that ends before `word` does may go on with it.
  Ends word(const std::string &word, size_t at) {
    size_t length = std::min(word.size(), text.size() - at);
    if (text.compare(at, length, word, 0, length) != 0)
      return {};
    if (length < word.size()) {
      mayGoOn = true;
      return {};
    }
    return {at + word.size()};
  }

  static Ends then(const Ends &ends, const std::function<Ends(size_t)> &next) {
    Ends all;
    for (size_t end : ends)
      all.merge(next(end));
    return all;
  }

  Ends space(size_t at) {
    mayGoOn |= at == text.size();
    Ends ends{at};
    if (at < text.size() && text[at] == ' ')
      ends.insert(at + 1);
    if (at < text.size() && text[at] == '\n')
      for (size_t i = at + 1, n = 0;; ++i, ++n) {
        ends.insert(i);
        if (i >= text.size() || n >= 32 || (text[i] != ' ' && text[i] != '\t'))
          break;
      }
    return ends;
  }

  Ends integer(size_t at) {
    size_t begin = at;
    bool negative = at < text.size() && text[at] == '-';
    at += negative;
    if (at == text.size())
      mayGoOn = true;
    if (at < text.size() && text[at] == '0' && !negative)
      return {at + 1};
    Ends ends;
    for (size_t digits = 0; at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])); ++at) {
      if ((digits == 0 && text[at] == '0') || ++digits > 18)
        break;
      ends.insert(at + 1);
    }
    if (at == text.size() && at > begin && ends.size() < 18)
      mayGoOn = true;
    return ends;
  }

  /// Toy alphabets: printable ASCII, \n and \" as escapes; at the end of the text, an escape that has begun.
  Ends string(const Json &schema, size_t at) {
    size_t least = schema.value("minLength", 0u), most = schema.value("maxLength", 1000000u), length = 0;
    if (least > most)
      return {};
    Ends open = word("\"", at);
    if (open.empty())
      return {};
    for (size_t i = *open.begin();; ++length) {
      if (i >= text.size()) {
        mayGoOn = true;
        return {};
      }
      if (text[i] == '"')
        return length >= least ? Ends{i + 1} : Ends{};
      if (length == most)
        return {};
      if (text[i] == '\\') {
        if (i + 1 == text.size()) {
          mayGoOn = true;
          return {};
        }
        if (std::string("nt\"\\/bfr").find(text[i + 1]) == std::string::npos)
          return {};
        ++i;
      } else if (static_cast<unsigned char>(text[i]) < 0x20) {
        return {};
      }
      ++i;
    }
  }

  Ends object(const Json &schema, size_t at) {
    Json properties = schema.value("properties", Json::object());
    std::set<std::string> required;
    for (const Json &name : schema.value("required", Json::array()))
      required.insert(name.get<std::string>());
    std::vector<std::string> names;
    for (auto &[name, own] : properties.items())
      names.push_back(name);
    Ends ends;
    std::function<void(size_t, size_t, bool)> members = [&](size_t from, size_t next, bool first) {
      bool mayEnd = true;
      for (size_t i = next; i < names.size(); ++i)
        mayEnd &= !required.contains(names[i]);
      if (mayEnd)
        ends.merge(first ? word("}", from) : then(space(from), [&](size_t p) { return word("}", p); }));
      bool mayAdd = schema.contains("additionalProperties") && schema["additionalProperties"] != Json(false);
      bool mayFollow = next < names.size() || mayAdd;
      if (!mayFollow)
        return;
      Ends starts = first ? Ends{from} : then(word(",", from), [&](size_t p) { return space(p); });
      auto more = [&](const Ends &behindName, const Json &value, size_t after) {
        Ends behind = then(then(then(behindName, [&](size_t p) { return word(":", p); }),
                                [&](size_t p) { return space(p); }),
                           [&](size_t p) { return this->value(value, p); });
        for (size_t p : behind)
          members(p, after, false);
      };
      for (size_t i = next; i < names.size(); ++i) {
        more(then(starts, [&](size_t p) { return word('"' + names[i] + '"', p); }), properties[names[i]],
             i + 1);
        if (required.contains(names[i]))
          return;
      }
      if (mayAdd)
        for (size_t p : starts) {
          Ends behindName = string(Json::object(), p);
          std::erase_if(behindName, [&](size_t end) {
            return properties.contains(Json::parse(text.substr(p, end - p)).get<std::string>());
          });
          more(behindName, schema["additionalProperties"], names.size());
        }
    };
    for (size_t p : then(word("{", at), [&](size_t p) { return space(p); }))
      members(p, 0, true);
    return ends;
  }

  Ends array(const Json &schema, size_t at) {
    size_t least = schema.value("minItems", 0u), most = schema.value("maxItems", 1000000u);
    Json items = schema.value("items", Json(true));
    Ends ends;
    std::function<void(size_t, size_t)> elements = [&](size_t from, size_t count) {
      if (count >= least)
        ends.merge(count == 0 ? word("]", from) : then(space(from), [&](size_t p) { return word("]", p); }));
      if (count >= most)
        return;
      Ends starts = count == 0 ? Ends{from} : then(word(",", from), [&](size_t p) { return space(p); });
      for (size_t p : then(starts, [&](size_t q) { return value(items, q); }))
        elements(p, count + 1);
    };
    for (size_t p : then(word("[", at), [&](size_t p) { return space(p); }))
      elements(p, 0);
    return ends;
  }

  Ends value(const Json &schema, size_t at) {
    if (schema.contains("$ref"))
      return value(root.at(Json::json_pointer(schema["$ref"].get<std::string>().substr(1))), at);
    Ends ends;
    if (schema.contains("anyOf")) {
      for (const Json &branch : schema["anyOf"])
        ends.merge(value(branch, at));
      return ends;
    }
    if (schema.contains("enum")) {
      for (const Json &one : schema["enum"])
        ends.merge(word(one.dump(), at));
      return ends;
    }
    std::string type = schema["type"].get<std::string>();
    if (type == "null")
      return word("null", at);
    if (type == "boolean") {
      ends = word("true", at);
      ends.merge(word("false", at));
      return ends;
    }
    if (type == "integer")
      return integer(at);
    if (type == "string")
      return string(schema, at);
    return type == "object" ? object(schema, at) : array(schema, at);
  }
};

} // namespace nibble::test
