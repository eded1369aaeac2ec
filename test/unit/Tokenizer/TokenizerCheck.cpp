//===- TokenizerCheck.cpp - A tokenizer at the command line, for tests ------------------------===//
//
// nibble-tokenizer-check SOURCE encode|encode-plain|decode|decode-all|stream|names < LINES
// SOURCE is a Hugging Face folder, a GGUF file, or a segment that `compile OUT` wrote. Each line of the input
// is JSON: a text, or a list of ids; each line of the output is the JSON of the result.
//
//===------------------------------------------------------------------------------------------===//

#include "nibble/Import/Tokenizer.h"
#include "nibble/runtime/Tokenizer.h"
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

using namespace nibble;
using nlohmann::json;

static Result<std::vector<std::byte>> compile(const std::string &source) {
  if (std::filesystem::is_directory(source)) {
    NIBBLE_TRY(auto spec, importHuggingFaceTokenizer(source));
    return serializeTokenizer(spec);
  }
  NIBBLE_TRY(auto bytes, MappedFile::open(source));
  if (!bytes.text().starts_with("GGUF"))
    return std::vector<std::byte>(bytes.bytes().begin(), bytes.bytes().end());
  NIBBLE_TRY(auto file, GGUFFile::open(source));
  NIBBLE_TRY(auto metadata, readGGUFTokenizerMetadata(file));
  NIBBLE_TRY(auto spec, importGGUFTokenizer(metadata));
  return serializeTokenizer(spec);
}

static Result<json> answer(const Tokenizer &tokenizer, const std::string &verb, const json &line) {
  if (verb.starts_with("encode")) {
    bool special = verb == "encode";
    NIBBLE_TRY(auto ids, tokenizer.encode(line.get<std::string>(), {special, special}));
    return json(ids);
  }
  auto ids = line.get<std::vector<int32_t>>();
  if (verb != "stream")
    return json(tokenizer.decode(ids, verb == "decode"));
  DetokenizeStream stream(tokenizer);
  json parts = json::array();
  for (int32_t id : ids)
    parts.push_back(stream.push(id));
  parts.push_back(stream.finish());
  return parts;
}

static Result<void> run(const std::string &source, const std::string &verb, const char *out) {
  NIBBLE_TRY(auto segment, compile(source));
  if (verb == "compile") {
    std::ofstream(out, std::ios::binary)
        .write(reinterpret_cast<const char *>(segment.data()), std::streamsize(segment.size()));
    return {};
  }
  NIBBLE_TRY(auto tokenizer, Tokenizer::open(segment));
  if (verb == "names") {
    auto id = [](std::optional<int32_t> id) { return id ? json(*id) : json(); };
    std::cout << json{{"bos", id(tokenizer.bos())},        {"eos", id(tokenizer.eos())},
                      {"unk", id(tokenizer.unk())},        {"pad", id(tokenizer.pad())},
                      {"addsBos", tokenizer.addsBos()},    {"addsEos", tokenizer.addsEos()},
                      {"size", tokenizer.vocabularySize()}}
              << "\n";
    return {};
  }
  for (std::string line; std::getline(std::cin, line);) {
    NIBBLE_TRY(json result, answer(tokenizer, verb, json::parse(line)));
    std::cout << result << "\n";
  }
  return {};
}

int main(int argc, char **argv) {
  if (argc != 3 && argc != 4) {
    std::cerr << "usage: nibble-tokenizer-check SOURCE "
                 "encode|encode-plain|decode|decode-all|stream|names|compile [OUT]\n";
    return 2;
  }
  auto status = run(argv[1], argv[2], argc == 4 ? argv[3] : "/dev/null");
  if (status)
    return 0;
  std::cerr << "error: " << status.error().message << "\n";
  return 1;
}
