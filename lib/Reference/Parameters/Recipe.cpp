//===- Recipe.cpp - What happens to a weight on the way into the artifact ---------------------------===//
#include "nibble/Quantize/Dequantize.h"
#include "nibble/Reference/Parameters.h"

#include <algorithm>

using namespace nibble;
using namespace nibble::reference;

Format ParameterRequest::format() const {
  Format format = source;
  for (const RecipeStep &step : recipe)
    if (step.kind == RecipeStep::Kind::Convert)
      format = step.format;
  return format;
}

/// Moves rows of `width` elements: row `to` of the result is row from(to).
template <typename T, typename From>
static void permute(std::vector<T> &elements, int64_t rows, int64_t width, const From &from) {
  if (elements.empty())
    return;
  std::vector<T> result(elements.size());
  for (int64_t row = 0; row < rows; ++row)
    std::copy_n(elements.begin() + from(row) * width, width, result.begin() + row * width);
  elements = std::move(result);
}

Result<RowBlock> nibble::reference::unpermuteRows(RowBlock block, int64_t heads) {
  // A bias is one row: its elements are the rows of the linear.
  bool isVector = block.rows == 1;
  int64_t rows = isVector ? block.columns : block.rows;
  if (heads <= 0 || rows % (2 * heads) != 0 || (isVector && !block.format.isFloat()))
    return failure(std::to_string(rows) + " rows are no even number of rows for each of " +
                   std::to_string(heads) + " heads");
  int64_t headDim = rows / heads, half = headDim / 2;
  auto stored = [&](int64_t row) {
    int64_t first = row / headDim * headDim, i = row % headDim;
    return first + (i < half ? 2 * i : 2 * (i - half) + 1);
  };
  int64_t width = isVector ? 1 : block.columns, groups = block.groups();
  permute(block.values, rows, width, stored);
  permute(block.codes, rows, width, stored);
  permute(block.scales, rows, groups, stored);
  permute(block.zeros, rows, groups, stored);
  return block;
}

Result<RowBlock> nibble::reference::carryOut(const ParameterRequest &request, RowBlock block) {
  for (const RecipeStep &step : request.recipe) {
    bool converts = step.kind == RecipeStep::Kind::Convert;
    auto done =
        converts ? convertRows(std::move(block), step.format) : unpermuteRows(std::move(block), step.heads);
    if (!done)
      return failure("weight '" + request.name + "': " + done.error().message);
    block = *std::move(done);
  }
  return block;
}
