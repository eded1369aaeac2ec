//===- MappedFileTest.cpp ---------------------------------------------------------------------===//

#include "nibble/runtime/MappedFile.h"
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace nibble;
using testing::HasSubstr;

namespace {

/// A folder of this test's own, removed afterwards.
class MappedFileTest : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "nibble-mapped-file-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string write(const std::string &name, const std::string &content) {
    std::string path = folder / name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  /// The message of an open that must fail; it must name the path.
  std::string refusal(const std::string &path) {
    auto file = MappedFile::open(path);
    if (file)
      return "opened";
    EXPECT_THAT(file.error().message, HasSubstr(path));
    return file.error().message;
  }

  std::filesystem::path folder;
};

TEST_F(MappedFileTest, GivesTheBytes) {
  std::string content("ab\0c\xff", 5);
  auto file = MappedFile::open(write("five", content));
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->text(), content);
  EXPECT_EQ(file->bytes().size(), 5u);
}

TEST_F(MappedFileTest, MovingKeepsTheAddress) {
  auto first = MappedFile::open(write("first", "1st"));
  auto second = MappedFile::open(write("second", "2nd"));
  ASSERT_TRUE(first && second);
  const std::byte *address = first->bytes().data();
  MappedFile moved = *std::move(first);
  EXPECT_EQ(moved.bytes().data(), address);
  *second = std::move(moved);
  EXPECT_EQ(second->text(), "1st");
}

TEST_F(MappedFileTest, SaysWhyNot) {
  EXPECT_THAT(refusal(folder / "nowhere"), HasSubstr("No such file"));
  EXPECT_THAT(refusal(folder), HasSubstr("is a directory"));
  EXPECT_THAT(refusal(write("empty", "")), HasSubstr("is empty"));
  std::string fifo = folder / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(refusal(fifo), HasSubstr("expected a regular file"));
}

TEST_F(MappedFileTest, SaysThatItMayNotRead) {
  if (geteuid() == 0)
    GTEST_SKIP() << "root may read everything";
  std::string path = write("secret", "x");
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  EXPECT_THAT(refusal(path), HasSubstr("check its permissions"));
}

} // namespace
