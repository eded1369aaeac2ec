//===- RowBlock.cpp - Checks of a block of rows -----------------------------------------------===//
#include "nibble/Quantize/RowBlock.h"

using namespace nibble;

static Result<void> checkCount(const char *what, size_t found, int64_t rows, int64_t perRow) {
  int64_t expected = 0;
  if (__builtin_mul_overflow(rows, perRow, &expected) || static_cast<uint64_t>(expected) != found)
    return failure("a block of " + std::to_string(rows) + " rows has " + std::to_string(found) + " " + what +
                   ", expected " + std::to_string(perRow) + " for each row");
  return {};
}

Result<void> RowBlock::check() const {
  if (rows < 0 || columns < 1)
    return failure("a block of " + std::to_string(rows) + " rows and " + std::to_string(columns) +
                   " columns is not a block of a weight");
  bool isFloat = format.isFloat();
  NIBBLE_CHECK(checkCount("values", values.size(), rows, isFloat ? columns : 0));
  NIBBLE_CHECK(checkCount("codes", codes.size(), rows, isFloat ? 0 : columns));
  NIBBLE_CHECK(checkCount("scales", scales.size(), rows, isFloat ? 0 : groups()));
  NIBBLE_CHECK(checkCount("zero points", zeros.size(), rows, format.zero == Zero::None ? 0 : groups()));
  return {};
}
