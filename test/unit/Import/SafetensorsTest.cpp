//===- SafetensorsTest.cpp - What a damaged or hostile header is told -------------------------===//

#include "lib/Import/HuggingFace/Safetensors.h"

#include <cstring>
#include <gmock/gmock.h>
#include <random>

using namespace nibble;
using testing::HasSubstr;

/// The bytes of a file: length, header, `dataBytes` bytes of data that count up.
static std::vector<std::byte> fileOf(const std::string &header, size_t dataBytes) {
  std::vector<std::byte> bytes(8 + header.size() + dataBytes);
  uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  for (size_t i = 0; i < dataBytes; ++i)
    bytes[8 + header.size() + i] = std::byte(i);
  return bytes;
}

static std::string messageOf(const std::vector<std::byte> &bytes) {
  auto file = SafetensorsFile::parse(bytes, "m.safetensors");
  return file ? "accepted" : file.error().message;
}

static std::string messageOf(const std::string &header, size_t dataBytes) {
  return messageOf(fileOf(header, dataBytes));
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
  std::string header = R"({"__metadata__":{"format":"pt","b":"a"},)"
                       R"("a":{"dtype":"F16","shape":[2,3],"data_offsets":[4,16]},)"
                       R"("scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )";
  auto bytes = fileOf(header, 16);
  auto file = SafetensorsFile::parse(bytes, "m.safetensors");
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tensors().size(), 2u);
  const SafetensorsTensor *a = file->find("a");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->dtype, "F16");
  EXPECT_EQ(a->shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(file->data(*a).size(), 12u);
  EXPECT_EQ(file->data(*a)[0], std::byte(4));
  EXPECT_EQ(file->metadata().size(), 2u);
  EXPECT_EQ(file->metadata()[1], (std::pair<std::string, std::string>("b", "a")));
  EXPECT_FALSE(file->find("b"));
}

TEST(Safetensors, EmptyTensorsTakeNoBytes) {
  EXPECT_EQ(messageOf(R"({"a":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},)"
                      R"("b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                      1),
            "accepted");
}

TEST(Safetensors, EachMalformedHeaderHasItsOwnMessage) {
  struct Case {
    const char *header;
    size_t dataBytes;
    const char *message;
  };
  const Case cases[] = {
      {"", 0, "not valid JSON"},
      {"[]", 0, "its header is a list"},
      {"12", 0, "expected an object"},
      {R"({"a":1})", 0, "has a number for 'a'"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})", 4, "not valid JSON"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} x)", 4, "not valid JSON"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "lacks one of"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "has 1 data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}})", 4, "more than two data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "has a negative number in 'shape'"},
      {R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4,
       "a number that is no count in 'shape'"},
      {R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "has a list in 'shape'"},
      {R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})", 4,
       "more than 8 dimensions"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":{}}})", 4, "has the unknown key 'x'"},
      {R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, "has 'dtype' twice"},
      {R"({"a":{"dtype":4,"shape":[1],"data_offsets":[0,4]}})", 4, "has a number in 'dtype'"},
      {R"({"a":{"dtype":"F5","shape":[1],"data_offsets":[0,4]}})", 4, "has the dtype 'F5', which is unknown"},
      {R"({"__metadata__":{"a":1}})", 0, "has a number for the metadata key 'a'"},
      {R"({"__metadata__":{"a":{}}})", 0, "has an object for the metadata key 'a'"},
      {R"({"__metadata__":{"a":"b","a":"c"}})", 0, "has the metadata key 'a' twice"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "names 'a' twice"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4,
       "lies at bytes 0 to 8 of the data, which has 4"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "lies at bytes 4 to 0"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "ask for 8"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4]}})", 4,
       "more elements than 64 bits"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]}})", 4,
       "no count in 'shape'"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3, "overlaps another tensor"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})",
       4, "there is a gap"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 3, "its tensors cover 2"},
  };
  for (const Case &c : cases) {
    std::string message = messageOf(c.header, c.dataBytes);
    EXPECT_THAT(message, HasSubstr(c.message)) << c.header;
    EXPECT_THAT(message, testing::StartsWith("m.safetensors: ")) << c.header;
  }
}

TEST(Safetensors, HeaderLengthIsBounded) {
  auto bytes = fileOf("{}", 0);
  EXPECT_EQ(messageOf(bytes), "accepted");
  bytes[0] = std::byte(3);
  EXPECT_THAT(messageOf(bytes), HasSubstr("its header claims 3 bytes, the file has 2 left"));
  bytes[7] = std::byte(0xff);
  EXPECT_THAT(messageOf(bytes), HasSubstr("expected at most 104857600"));
  EXPECT_THAT(messageOf(std::vector<std::byte>(5)), HasSubstr("has 5 bytes"));
}

TEST(Safetensors, DeepNestingIsRefusedAtOnce) {
  EXPECT_THAT(messageOf(std::string(1 << 20, '['), 0), HasSubstr("its header is a list"));
  EXPECT_THAT(messageOf(R"({"a":)" + std::string(1 << 20, '['), 0), HasSubstr("has a list for 'a'"));
}

TEST(Safetensors, DamagedBytesNeverEscape) {
  std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},)"
      R"("b":{"dtype":"F32","shape":[4],"data_offsets":[12,28]}})";
  auto whole = fileOf(header, 28);
  std::mt19937 random(7);
  unsigned accepted = 0;
  for (int i = 0; i < 400; ++i) {
    auto bytes = whole;
    if (i % 2)
      bytes.resize(random() % whole.size());
    else
      bytes[random() % whole.size()] ^= std::byte(1 + random() % 255);
    auto file = SafetensorsFile::parse(bytes, "m.safetensors");
    if (!file) {
      EXPECT_FALSE(file.error().message.empty());
      continue;
    }
    EXPECT_EQ(i % 2, 0) << "a truncated file was accepted";
    ++accepted;
    unsigned sum = 0; // read every byte: the sanitizers watch
    for (const SafetensorsTensor &tensor : file->tensors())
      for (std::byte byte : file->data(tensor))
        sum += unsigned(byte);
    EXPECT_LT(sum, 28u * 255);
  }
  EXPECT_GT(accepted, 0u) << "flips in the data do not matter";
}
