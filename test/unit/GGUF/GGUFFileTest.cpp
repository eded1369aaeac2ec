//===- GGUFFileTest.cpp -----------------------------------------------------------------------===//
//
// Files are put together here byte by byte from the format's description, so that the reader is checked
// against the description and every damage can be made on purpose.
//
//===------------------------------------------------------------------------------------------===//

#include "nibble/Import/GGUFFile.h"
#include <cstdlib>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

using namespace nibble;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

struct Bytes : std::vector<std::byte> {
  template <typename T> Bytes &number(T value) {
    size_t at = size();
    resize(at + sizeof(T));
    std::memcpy(data() + at, &value, sizeof(T));
    return *this;
  }
  Bytes &text(std::string_view value) {
    for (char c : value)
      push_back(std::byte(c));
    return *this;
  }
  Bytes &string(std::string_view value) { return number<uint64_t>(value.size()).text(value); }
  Bytes &key(std::string_view name, uint32_t type) { return string(name).number(type); }
  Bytes &array(std::string_view name, uint32_t elementType, uint64_t count) {
    return key(name, 9).number(elementType).number(count);
  }
  Bytes &header(uint32_t version, uint64_t tensors, uint64_t pairs) {
    return text("GGUF").number(version).number(tensors).number(pairs);
  }
};

/// A file with a value of every type and two tensors: f32 {3, 2} and Q4_0 {64}.
Bytes exampleFile() {
  Bytes file;
  file.header(3, 2, 16);
  file.key("u8", 0).number<uint8_t>(200);
  file.key("i8", 1).number<int8_t>(-100);
  file.key("u16", 2).number<uint16_t>(60000);
  file.key("i16", 3).number<int16_t>(-30000);
  file.key("u32", 4).number<uint32_t>(4000000000u);
  file.key("i32", 5).number<int32_t>(-2000000000);
  file.key("f32", 6).number<float>(0.5f);
  file.key("yes", 7).number<uint8_t>(1);
  file.key("name", 8).string("nibble");
  file.key("u64", 10).number<uint64_t>(1ull << 63);
  file.key("i64", 11).number<int64_t>(-(1ll << 40));
  file.key("f64", 12).number<double>(1e300);
  file.array("words", 8, 3).string("a").string("").string("ccc");
  file.array("heads", 5, 2).number<int32_t>(8).number<int32_t>(4);
  file.array("flags", 7, 2).number<uint8_t>(0).number<uint8_t>(1);
  file.array("halves", 6, 1).number<float>(1.5f);
  file.string("a.weight").number<uint32_t>(2).number<uint64_t>(3).number<uint64_t>(2);
  file.number<uint32_t>(0).number<uint64_t>(0);
  file.string("b.weight").number<uint32_t>(1).number<uint64_t>(64).number<uint32_t>(2).number<uint64_t>(32);
  while (file.size() % 32)
    file.push_back(std::byte(0));
  for (int i = 0; i < 6; ++i)
    file.number<float>(float(i));
  file.number<uint64_t>(0); // up to the next multiple of 32
  for (int i = 0; i < 36; ++i)
    file.number<uint8_t>(uint8_t(i));
  return file;
}

std::string refusal(const Bytes &bytes) {
  auto file = GGUFFile::parse(bytes, "x.gguf");
  if (file)
    return "accepted";
  EXPECT_THAT(file.error().message, HasSubstr("x.gguf"));
  return file.error().message;
}

TEST(GGUFFileTest, ReadsEveryScalar) {
  Bytes bytes = exampleFile();
  auto file = GGUFFile::parse(bytes, "x.gguf");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(file->keys().size(), 16u);
  EXPECT_EQ(file->keys()[8], "name");
  EXPECT_EQ(file->integer("u8").value(), 200);
  EXPECT_EQ(file->integer("i8").value(), -100);
  EXPECT_EQ(file->integer("u16").value(), 60000);
  EXPECT_EQ(file->integer("i16").value(), -30000);
  EXPECT_EQ(file->integer("u32").value(), 4000000000);
  EXPECT_EQ(file->integer("i32").value(), -2000000000);
  EXPECT_EQ(file->integer("i64").value(), -(1ll << 40));
  EXPECT_EQ(file->real("f32").value(), 0.5);
  EXPECT_EQ(file->real("f64").value(), 1e300);
  EXPECT_EQ(file->real("u8").value(), 200.0);
  EXPECT_TRUE(file->boolean("yes").value());
  EXPECT_EQ(file->string("name").value(), "nibble");
}

TEST(GGUFFileTest, ReadsArrays) {
  Bytes bytes = exampleFile();
  auto file = GGUFFile::parse(bytes, "x.gguf");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_THAT(file->strings("words").value(), ElementsAre("a", "", "ccc"));
  EXPECT_THAT(file->integers("heads").value(), ElementsAre(8, 4));
  EXPECT_THAT(file->integers("u8").value(), ElementsAre(200));
  EXPECT_THAT(file->booleans("flags").value(), ElementsAre(false, true));
  EXPECT_THAT(file->reals("halves").value(), ElementsAre(1.5));
  EXPECT_THAT(file->reals("heads").value(), ElementsAre(8.0, 4.0));
}

TEST(GGUFFileTest, WrongKindsAndMissingKeysAreErrors) {
  Bytes bytes = exampleFile();
  auto file = GGUFFile::parse(bytes, "x.gguf");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_THAT(file->integer("name").error().message, HasSubstr("'name' should be an integer, found string"));
  EXPECT_THAT(file->integer("heads").error().message, HasSubstr("found an array of 2 int32"));
  EXPECT_THAT(file->integer("u64").error().message, HasSubstr("should be an integer")); // beyond int64
  EXPECT_THAT(file->integer("nowhere").error().message, HasSubstr("has no metadata key 'nowhere'"));
  EXPECT_FALSE(file->strings("name"));
  EXPECT_FALSE(file->boolean("u8"));
  EXPECT_EQ(file->integerOr("nowhere", 7).value(), 7);
  EXPECT_FALSE(file->integerOr("name", 7));
  EXPECT_EQ(file->stringOr("nowhere", "x").value(), "x");
  EXPECT_EQ(file->find("nowhere"), nullptr);
}

TEST(GGUFFileTest, PlacesTensors) {
  Bytes bytes = exampleFile();
  auto file = GGUFFile::parse(bytes, "x.gguf");
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tensors().size(), 2u);
  const GGUFTensor *a = file->findTensor("a.weight");
  ASSERT_NE(a, nullptr);
  EXPECT_THAT(a->shape, ElementsAre(3u, 2u));
  EXPECT_EQ(a->elements, 6u);
  ASSERT_EQ(a->data.size(), 24u);
  float last;
  std::memcpy(&last, a->data.data() + 20, sizeof(last));
  EXPECT_EQ(last, 5.0f);
  const GGUFTensor &b = file->tensors()[1];
  EXPECT_EQ(b.name, "b.weight");
  EXPECT_EQ(b.type, GGUFTensorType::Q4_0);
  ASSERT_EQ(b.data.size(), 36u); // two blocks of 18 bytes
  EXPECT_EQ(b.data[35], std::byte(35));
  EXPECT_EQ(file->findTensor("c"), nullptr);
}

TEST(GGUFFileTest, RefusesOtherFilesAndVersions) {
  EXPECT_THAT(refusal(Bytes().text("PK\3\4 and so on")), HasSubstr("is not a GGUF file"));
  EXPECT_THAT(refusal(Bytes().header(1, 0, 0)), HasSubstr("version 1"));
  EXPECT_THAT(refusal(Bytes().header(4, 0, 0)), HasSubstr("version 4"));
  EXPECT_THAT(refusal(Bytes().header(0x03000000, 0, 0)), HasSubstr("big-endian"));
  EXPECT_TRUE(GGUFFile::parse(Bytes().header(2, 0, 0), "x"));
}

TEST(GGUFFileTest, RefusesCountsThatTheFileCannotHold) {
  constexpr uint64_t huge = ~0ull;
  EXPECT_THAT(refusal(Bytes().header(3, huge, 0)), HasSubstr("can hold"));
  EXPECT_THAT(refusal(Bytes().header(3, 0, huge)), HasSubstr("can hold"));
  EXPECT_THAT(refusal(Bytes().header(3, 0, 1).number(huge).text("k").number<uint64_t>(0)),
              HasSubstr("truncated"));
  EXPECT_THAT(refusal(Bytes().header(3, 0, 1).array("words", 8, huge)), HasSubstr("strings"));
  EXPECT_THAT(refusal(Bytes().header(3, 0, 1).array("words", 12, huge / 8 + 1)), HasSubstr("values"));
  EXPECT_THAT(refusal(Bytes().header(3, 0, 1).array("lists", 9, 1).number<uint64_t>(0)),
              HasSubstr("array of arrays"));
  EXPECT_THAT(refusal(Bytes().header(3, 0, 1).key("odd", 13).number<uint64_t>(0)),
              HasSubstr("value type 13"));
  EXPECT_THAT(refusal(Bytes().header(3, 0, 2).key("k", 0).number<uint8_t>(1).key("k", 0).number<uint8_t>(1)),
              HasSubstr("'k' is there twice"));
  EXPECT_THAT(refusal(Bytes().header(3, 0, 1).key("general.alignment", 4).number<uint32_t>(24)),
              HasSubstr("power of two"));
}

/// A file of one tensor without data.
Bytes oneTensor(uint32_t type, std::vector<uint64_t> shape, uint64_t offset) {
  Bytes file;
  file.header(3, 1, 0).string("w").number<uint32_t>(uint32_t(shape.size()));
  for (uint64_t extent : shape)
    file.number(extent);
  return file.number(type).number(offset);
}

TEST(GGUFFileTest, RefusesImpossibleTensors) {
  EXPECT_THAT(refusal(oneTensor(0, {1, 1, 1, 1, 1}, 0)), HasSubstr("'w' has 5 dimensions"));
  EXPECT_THAT(refusal(oneTensor(0, {4, 0}, 0)), HasSubstr("dimension of 0"));
  EXPECT_THAT(refusal(oneTensor(0, {1ull << 40, 1ull << 40}, 0)), HasSubstr("64 bits"));
  EXPECT_THAT(refusal(oneTensor(28, {1ull << 62}, 0)), HasSubstr("64 bits"));
  EXPECT_THAT(refusal(oneTensor(4, {32}, 0)), HasSubstr("type number 4"));
  EXPECT_THAT(refusal(oneTensor(2, {48}, 0)), HasSubstr("multiple of 32"));
  EXPECT_THAT(refusal(oneTensor(0, {1}, 8)), HasSubstr("multiple of 32"));
  EXPECT_THAT(refusal(oneTensor(0, {1}, 1ull << 63)), HasSubstr("truncated or damaged"));
  EXPECT_THAT(refusal(oneTensor(0, {1}, 0)), HasSubstr("needs 4 bytes"));
}

/// Reads everything that can be asked of a file.
size_t readAll(const GGUFFile &file) {
  size_t sum = 0;
  for (std::string_view key : file.keys()) {
    sum += file.string(key).value_or("").size() + file.integers(key).value_or(std::vector<int64_t>{}).size();
    for (std::string_view word : file.strings(key).value_or(std::vector<std::string_view>{}))
      for (char c : word)
        sum += size_t(c);
  }
  for (const GGUFTensor &tensor : file.tensors())
    for (std::byte byte : tensor.data)
      sum += size_t(byte);
  return sum;
}

TEST(GGUFFileTest, TruncatedAnywhereIsRefused) {
  Bytes whole = exampleFile();
  for (size_t size = 0; size < whole.size(); ++size) {
    // A copy of exactly this size, so that the sanitizer sees a step over its end.
    std::vector<std::byte> cut(whole.begin(), whole.begin() + long(size));
    EXPECT_FALSE(GGUFFile::parse(cut, "x.gguf")) << size;
  }
}

TEST(GGUFFileTest, AlteredBytesAreRefusedOrRead) {
  Bytes whole = exampleFile();
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    std::vector<std::byte> altered(whole.begin(), whole.end());
    for (int i = 0; i < 1 + round % 3; ++i)
      altered[random() % altered.size()] = std::byte(random());
    if (auto file = GGUFFile::parse(altered, "x.gguf"))
      readAll(*file);
  }
}

TEST(GGUFFileTest, OpensARealVocabulary) {
  const char *data = std::getenv("NIBBLE_DATA");
  if (!data)
    GTEST_SKIP() << "NIBBLE_DATA is unset";
  auto file = GGUFFile::open(std::string(data) + "/tokenizers/cases/ggml-vocab-gpt-2.gguf");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->string("tokenizer.ggml.model").value(), "gpt2");
  EXPECT_EQ(file->strings("tokenizer.ggml.tokens").value().size(), 50257u);
  EXPECT_EQ(file->strings("tokenizer.ggml.merges").value().size(), 50000u);
  EXPECT_TRUE(file->tensors().empty());
}

} // namespace
