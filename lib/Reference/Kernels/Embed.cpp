//===- Embed.cpp - llm.embed ------------------------------------------------------------------===//
#include "nibble/Reference/Kernels.h"

using namespace nibble::reference;

static Matrix scaled(Matrix rows, double scale) {
  for (double &value : rows.data)
    value *= scale;
  return rows;
}

Matrix nibble::reference::embed(std::span<const int32_t> ids, const RowBlock &table, double scale) {
  Matrix rows(static_cast<int64_t>(ids.size()), table.columns);
  for (int64_t t = 0; t < rows.rows; ++t)
    decodeRow(table, ids[t], rows.row(t));
  return scaled(std::move(rows), scale);
}

Matrix nibble::reference::embed(std::span<const int32_t> ids, const Matrix &table, double scale) {
  return scaled(selectRows(table, ids), scale);
}
