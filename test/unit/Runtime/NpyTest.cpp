//===- NpyTest.cpp - Matrices in numpy's format -----------------------------------------------===//

#include "nibble/runtime/Npy.h"
#include "ToyModel.h"
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

using namespace nibble;
using testing::HasSubstr;

/// A file as numpy.save writes it: the header's text is numpy's own.
static std::string numpyFile(const std::string &header, const std::vector<float> &values) {
  std::string text = header;
  text.append(118 - 1 - text.size(), ' ');
  text += '\n';
  std::string bytes =
      std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(text.size()) + std::string(1, '\0') + text;
  bytes.append(reinterpret_cast<const char *>(values.data()), values.size() * 4);
  return bytes;
}

TEST(NpyTest, WritesWhatNumpyWrites) {
  std::string path = toy::temporaryPath("a.npy");
  std::vector<float> values = {1, 2, 3, 4, 5, 6};
  auto writer = NpyWriter::create(path, 2, 3);
  ASSERT_TRUE(writer) << writer.error().message;
  ASSERT_TRUE(writer->write(1, std::span(values).subspan(3)));
  ASSERT_TRUE(writer->write(0, std::span(values).first(3)));
  ASSERT_TRUE(writer->finish());
  EXPECT_EQ(toy::readFile(path),
            numpyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", values));
}

TEST(NpyTest, ReadsWhatNumpyWrites) {
  std::string path = toy::temporaryPath("b.npy");
  toy::writeFile(
      path, numpyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", {1, 2, 3, 4, 5, 6}));
  auto matrix = NpyMatrix::open(path);
  ASSERT_TRUE(matrix) << matrix.error().message;
  EXPECT_EQ(matrix->rows(), 3u);
  EXPECT_EQ(matrix->columns(), 2u);
  EXPECT_THAT(matrix->row(1), testing::ElementsAre(3, 4));
}

TEST(NpyTest, RefusesOtherFiles) {
  std::string path = toy::temporaryPath("c.npy");
  auto expectRefused = [&](const std::string &bytes, const char *message) {
    toy::writeFile(path, bytes);
    auto matrix = NpyMatrix::open(path);
    ASSERT_FALSE(matrix) << message;
    EXPECT_THAT(matrix.error().message, HasSubstr(message));
  };
  std::vector<float> six(6);
  expectRefused("hello", "is not a .npy file");
  expectRefused(numpyFile("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 1), }", six),
                "little-endian float32");
  expectRefused(numpyFile("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }", six),
                "little-endian float32");
  expectRefused(numpyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", six),
                "two dimensions");
  expectRefused(numpyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }", six),
                "two dimensions");
  expectRefused(numpyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }", six),
                "does not fit its size");
  expectRefused(
      numpyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", six),
      "does not fit its size");
  expectRefused(
      numpyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 4), }", six),
      "not readable");
  std::string good = numpyFile("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }", six);
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) { // never outside of the mapping, whatever the bytes
    std::string altered = good;
    altered[random() % altered.size()] = static_cast<char>(random());
    altered.resize(altered.size() - random() % 2 * (random() % altered.size()));
    toy::writeFile(path, altered);
    if (auto matrix = NpyMatrix::open(path); matrix && matrix->rows() > 0 && matrix->columns() > 0)
      EXPECT_EQ(matrix->row(matrix->rows() - 1).size(), matrix->columns());
  }
}

TEST(NpyTest, AnUnfinishedFileLeavesNothing) {
  std::string path = toy::temporaryPath("d.npy");
  {
    auto writer = NpyWriter::create(path, 1, 1);
    ASSERT_TRUE(writer);
  }
  EXPECT_TRUE(toy::readFile(path).empty());
  EXPECT_FALSE(NpyWriter::create(toy::temporaryPath("missing/d.npy"), 1, 1));
  EXPECT_FALSE(NpyWriter::create("/tmp", 1, 1));
}
