//===- TokenFile.cpp - Sequences of token ids from a file -------------------------------------===//

#include "nibble/runtime/TokenFile.h"
#include "nibble/runtime/Json.h"
#include "nibble/runtime/MappedFile.h"

using namespace nibble;

Result<std::vector<std::vector<int32_t>>> nibble::parseTokens(std::string_view json, const std::string &name,
                                                              uint32_t vocabulary) {
  NIBBLE_TRY(auto document, parseJson(json, name, {.bytes = 1u << 30, .depth = 4}));
  JsonProblem problem;
  JsonCursor root(&document, name, problem);
  std::vector<std::vector<int32_t>> sequences;
  auto read = [&](const JsonCursor &list) {
    sequences.emplace_back();
    for (size_t i = 0, count = list.size(); i < count && !problem.first; ++i)
      sequences.back().push_back(
          static_cast<int32_t>(list[i].integer(0, static_cast<int64_t>(vocabulary) - 1)));
    if (sequences.back().empty())
      list.fail("is empty; expected at least one token id");
  };
  size_t count = root.size();
  if (count > 0 && root[size_t{0}].isArray())
    for (size_t i = 0; i < count && !problem.first; ++i)
      read(root[i]);
  else
    read(root);
  if (problem.first)
    return tl::unexpected(*problem.first);
  return sequences;
}

Result<std::vector<std::vector<int32_t>>> nibble::readTokenFile(const std::string &path,
                                                                uint32_t vocabulary) {
  NIBBLE_TRY(auto file, MappedFile::open(path));
  return parseTokens(file.text(), path, vocabulary);
}
