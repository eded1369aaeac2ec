//===- ToyModel.cpp - The toy model as an artifact, and what it must compute ------------------===//

#include "ToyModel.h"
#include "nibble/Artifact/Writer.h"
#include "nibble/Import/Tokenizer.h"
#include "nibble/runtime/ArtifactFormat.h"
#include <algorithm>
#include <cstdlib>
#include <elf.h>
#include <fstream>
#include <map>
#include <sstream>
#include <unistd.h>

using namespace nibble;
using nlohmann::json;

static constexpr uint32_t kWidth = 16;

std::string toy::readFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void toy::writeFile(const std::string &path, const std::string &bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string toy::temporaryPath(const std::string &name) {
  static const std::string folder = [] {
    const char *base = std::getenv("TMPDIR");
    std::string pattern = std::string(base ? base : "/tmp") + "/nibble-test-XXXXXX";
    return std::string(::mkdtemp(pattern.data()));
  }();
  return folder + "/" + name;
}

/// Offsets of the exported functions: values of the image's dynamic symbols.
static std::map<std::string, uint64_t> exportedSymbols(const std::string &image) {
  auto *header = reinterpret_cast<const Elf64_Ehdr *>(image.data());
  auto *sections = reinterpret_cast<const Elf64_Shdr *>(image.data() + header->e_shoff);
  std::map<std::string, uint64_t> symbols;
  for (uint32_t i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_DYNSYM)
      continue;
    const char *names = image.data() + sections[sections[i].sh_link].sh_offset;
    auto *table = reinterpret_cast<const Elf64_Sym *>(image.data() + sections[i].sh_offset);
    for (uint64_t s = 1; s < sections[i].sh_size / sizeof(Elf64_Sym); ++s)
      symbols[names + table[s].st_name] = table[s].st_value;
  }
  return symbols;
}

static const std::string &image() {
  static const std::string bytes = toy::readFile(NIBBLE_TOY_IMAGE);
  return bytes;
}

/// Embedding and head, [60][16] each: small whole numbers.
static std::vector<float> weightTable(uint32_t which) {
  std::vector<float> table(toy::kVocabulary * kWidth);
  for (uint32_t i = 0; i < table.size(); ++i)
    table[i] = static_cast<float>((i * (which ? 13 : 7) + i / kWidth * 5 + which) % 7) - 3;
  return table;
}

json toy::manifest() {
  auto symbols = exportedSymbols(image());
  auto kernel = [&](const char *name, const char *items, uint64_t scratch) {
    return json{
        {"name", name},       {"family", "toy"}, {"entry", symbols.at(name)}, {"items", symbols.at(items)},
        {"scratch", scratch}, {"size", 64}};
  };
  json kernels = {kernel("toyEmbed", "toyRows", 0),      kernel("toyStoreF32", "toyRows", 0),
                  kernel("toyStoreBF16", "toyRows", 0),  kernel("toyAttendF32", "toyRows", 0),
                  kernel("toyAttendBF16", "toyRows", 0), kernel("toyFold", "toyRows", 64),
                  kernel("toyHead", "toyHeadItems", 0)};
  uint64_t tableBytes = kVocabulary * kWidth * 4; // 3840
  // arena: x [T][16], y [T][16], logits [R][60] in rows of 256 bytes, 64 bytes unused in front
  json x = {"private", 64, 0, 0, 64}, y = {"arena", 64, 0, 64}, logits = {"arena", 128, 0, 64};
  json store = {{"f32", 1}, {"bf16", 2}}, attend = {{"f32", 3}, {"bf16", 4}};
  auto dispatch = [](json kernel, json operands, const char *barrier, bool isPrivate, const char *name) {
    return json{{"kernel", kernel},
                {"operands", operands},
                {"barrier", barrier},
                {"private", isPrivate},
                {"name", name}};
  };
  json dispatches = {
      dispatch(0, {{"weights", 0}, x}, "never", true, "embed"),
      dispatch(store, {x, {"cache", 0}}, "shared", false, "layer 0 store"),
      dispatch(attend, {x, {"cache", 0}, y}, "always", false, "layer 0 attend"),
      dispatch(5, {y, x}, "always", true, "layer 0 fold"),
      dispatch(store, {x, {"cache", 1}}, "shared", false, "layer 1 store"),
      dispatch(attend, {x, {"cache", 1}, y}, "always", false, "layer 1 attend"),
      dispatch(6, {{"weights", tableBytes}, y, logits}, "always", false, "head"),
  };
  json program = {
      {"arena", {128, 256, 64}}, {"private", 64 + 16 * 64}, {"dispatches", dispatches}, {"logits", logits}};
  return {{"nibble", "test"},
          {"model",
           {{"architecture", "toy"},
            {"name", "toy"},
            {"layers", 2},
            {"hidden", 16},
            {"heads", 2},
            {"kv_heads", 2},
            {"head_dim", 8},
            {"vocabulary", kVocabulary},
            {"context", kContext},
            {"default_context", 128},
            {"parameters", 2048},
            {"bos_token_id", 1},
            {"eos_token_ids", {2, 59}}}},
          {"generation", {{"temperature", 0.5}, {"top_k", 5}}},
          {"cache", {{"types", {"f32", "bf16"}}, {"default", "f32"}}},
          {"variants",
           {{{"target", "x86-64"},
             {"features", {"sse2"}},
             {"segment", 1},
             {"kernels", kernels},
             {"program", program}}}},
          {"tensors",
           {{{"name", "embed"},
             {"shape", {60, 16}},
             {"format", "f32"},
             {"layout", "plain"},
             {"offset", 0},
             {"size", 3840}}}}};
}

Result<void> toy::write(const std::string &path, const std::string &runtime,
                        const std::vector<ExtraSegment> &extra, json manifest) {
  NIBBLE_TRY(auto writer, ArtifactWriter::create(path, runtime));
  auto fill = [](const ArtifactWriter::Sink &sink) -> Result<void> {
    for (uint32_t which : {0u, 1u}) {
      std::vector<float> table = weightTable(which);
      NIBBLE_CHECK(sink(std::as_bytes(std::span(table))));
    }
    return {};
  };
  NIBBLE_CHECK(writer.addSegment({"weights", "", kWeightAlignment}, fill));
  NIBBLE_CHECK(writer.addSegment({"code", "x86-64", kSegmentAlignment}, std::as_bytes(std::span(image()))));
  for (const ExtraSegment &segment : extra)
    NIBBLE_CHECK(
        writer.addSegment({segment.name, "", kSegmentAlignment}, std::as_bytes(std::span(segment.bytes))));
  return writer.finish(std::move(manifest));
}

std::vector<std::vector<float>> toy::expectedLogits(const std::vector<int32_t> &tokens) {
  std::vector<float> embedding = weightTable(0), head = weightTable(1);
  std::vector<std::vector<int>> x; // [token][16]
  for (int32_t token : tokens) {
    x.emplace_back();
    for (uint32_t j = 0; j < kWidth; ++j)
      x.back().push_back(static_cast<int>(embedding[static_cast<size_t>(token) * kWidth + j]));
  }
  std::vector<std::vector<int>> y;
  for (int layer = 0; layer < 2; ++layer) {
    y = x;
    for (size_t t = 0; t < x.size(); ++t)
      for (uint32_t j = 0; j < kWidth; ++j)
        for (size_t p = 0; p <= t; ++p)
          y[t][j] += (static_cast<int>(p % 3) - 2) * x[p][j];
    x = y;
    for (auto &row : x)
      for (int &value : row)
        value %= 7;
  }
  std::vector<std::vector<float>> logits;
  for (const auto &row : y) {
    logits.emplace_back();
    for (uint32_t v = 0; v < kVocabulary; ++v) {
      int sum = 0;
      for (uint32_t j = 0; j < kWidth; ++j)
        sum += static_cast<int>(head[v * kWidth + j]) * row[j];
      logits.back().push_back(static_cast<float>(sum));
    }
  }
  return logits;
}

std::vector<int32_t> toy::tokens(uint32_t count, uint32_t seed) {
  std::vector<int32_t> result;
  uint32_t state = seed * 2654435761u + 12345;
  for (uint32_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    result.push_back(static_cast<int32_t>(state >> 16) % static_cast<int32_t>(kVocabulary));
  }
  return result;
}

std::vector<int32_t> toy::greedy(std::vector<int32_t> tokens, size_t count,
                                 const std::vector<int32_t> &stops) {
  std::vector<int32_t> result;
  while (result.size() < count) {
    auto logits = expectedLogits(tokens).back();
    auto token = static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    result.push_back(token);
    tokens.push_back(token);
    if (std::find(stops.begin(), stops.end(), token) != stops.end())
      break;
  }
  return result;
}

std::string toy::characters() { return "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,!?"; }

std::string toy::tokenizer() {
  TokenizerSpec spec;
  spec.source = "test";
  auto add = [&](const std::string &text, bool special) {
    TokenizerSpec::Token token;
    token.spelling = text;
    token.inModel = true;
    token.special = special;
    spec.tokens.push_back(token);
    if (special)
      spec.added.push_back({.content = text, .id = static_cast<int32_t>(spec.tokens.size() - 1)});
  };
  add("<unk>", true);
  add("<s>", true);
  add("</s>", true);
  for (char c : characters())
    add(std::string(1, c), false);
  spec.prefix = {1};
  spec.bos = 1;
  spec.eos = 2;
  spec.unk = 0;
  auto bytes = serializeTokenizer(spec);
  return bytes ? std::string(reinterpret_cast<const char *>(bytes->data()), bytes->size()) : "broken";
}
