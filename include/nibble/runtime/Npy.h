//===- Npy.h - Matrices of float32 in numpy's file format ---------------------------*- C++ -*-===//
//
// Logits go out, and come back to be compared with, as .npy files that any tool reads.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/MappedFile.h"
#include "nibble/runtime/Result.h"
#include <cstdint>
#include <span>
#include <string>

namespace nibble {

/// Writes [rows, columns] f32 row by row, in any order. The file takes its name when finish() is called;
/// without it nothing is left.
class NpyWriter {
public:
  static Result<NpyWriter> create(const std::string &path, uint64_t rows, uint64_t columns);
  NpyWriter(NpyWriter &&other) noexcept;
  NpyWriter &operator=(NpyWriter &&) = delete;
  ~NpyWriter();

  /// `values` are whole rows, from row `first` on.
  Result<void> write(uint64_t first, std::span<const float> values);
  Result<void> finish();

private:
  NpyWriter(std::string path, std::string partial, int descriptor, uint64_t headerBytes, uint64_t columns);

  std::string path, partial;
  int descriptor;
  uint64_t headerBytes, columns;
};

/// A mapped .npy file of little-endian float32 with two dimensions.
class NpyMatrix {
public:
  static Result<NpyMatrix> open(const std::string &path);

  uint64_t rows() const { return rowCount; }
  uint64_t columns() const { return columnCount; }
  std::span<const float> row(uint64_t index) const { return {values + index * columnCount, columnCount}; }

private:
  NpyMatrix(MappedFile file, const float *values, uint64_t rows, uint64_t columns)
      : file(std::move(file)), values(values), rowCount(rows), columnCount(columns) {}

  MappedFile file;
  const float *values;
  uint64_t rowCount, columnCount;
};

} // namespace nibble
