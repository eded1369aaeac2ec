//===- Quantizer.cpp - From values to codes and scales ----------------------------------------===//
//
// Takes a block of rows apart into groups, sixteen at a time in the transposed order that GroupSearch wants,
// and puts codes and scales back in the order of the rows.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Quantize/Quantizer.h"

#include "GroupSearch.h"
#include "nibble/runtime/HalfFloat.h"

#include <algorithm>
#include <bit>
#include <cmath>

using namespace nibble;

static Result<void> checkFinite(const RowBlock &block, int64_t firstRow) {
  for (int64_t row = 0; row < block.rows; ++row) {
    const float *values = block.values.data() + row * block.columns;
    uint32_t bad = 0;
    for (int64_t k = 0; k < block.columns; ++k)
      bad |= (std::bit_cast<uint32_t>(values[k]) & 0x7f800000) == 0x7f800000;
    if (!bad)
      continue;
    int64_t k =
        std::find_if(values, values + block.columns, [](float v) { return !std::isfinite(v); }) - values;
    return failure(
        "row " + std::to_string(firstRow + row) + ", column " + std::to_string(k) + " is " +
        (std::isnan(values[k]) ? "NaN" : "infinite") +
        ": such a weight cannot be quantized; the checkpoint is damaged, or keep this tensor in f32");
  }
  return {};
}

static Result<void> checkTarget(const RowBlock &values, const Format &format) {
  NIBBLE_CHECK(values.check());
  if (!values.format.isFloat())
    return failure("only float values can be quantized; found codes in format " +
                   formatSpelling(values.format));
  if (format.isFloat())
    return failure("\"" + formatSpelling(format) + "\" is not a format with codes");
  return {};
}

namespace {

/// One pass over a block: which group a lane holds follows from the flat index row * groups + group.
class BlockQuantizer {
public:
  BlockQuantizer(const RowBlock &values, RowBlock &out, QuantizerPath path)
      : values(values), out(out), groups(out.groups()),
        length(out.format.group == 0 ? out.columns : std::min<int64_t>(out.format.group, out.columns)),
        function(groupSearchFunction(out.format, path)), lanes(length * kSearchLanes),
        codes(length * kSearchLanes) {}

  /// The flat index of the first group whose scale does not fit f16, or -1.
  int64_t run() {
    int64_t count = out.rows * groups;
    for (int64_t first = 0; first < count; first += kSearchLanes) {
      int64_t used = std::min(kSearchLanes, count - first);
      gather(first, used);
      function(search);
      for (int64_t lane = 0; lane < used; ++lane)
        if (!std::isfinite(search.scales[lane]))
          return first + lane;
      scatter(first, used);
    }
    return -1;
  }

private:
  int64_t groupLength(int64_t group) const { return std::min(length, out.columns - group * length); }

  void gather(int64_t first, int64_t used) {
    search.values = lanes.data();
    search.codes = codes.data();
    search.length = length;
    for (int64_t lane = 0; lane < kSearchLanes; ++lane) {
      int64_t flat = first + lane, row = flat / groups, group = flat % groups;
      int64_t n = lane < used ? groupLength(group) : 0;
      search.lengths[lane] = static_cast<int32_t>(n);
      const float *from = values.values.data() + (n ? row * out.columns + group * length : 0);
      for (int64_t k = 0; k < n; ++k)
        lanes[k * kSearchLanes + lane] = from[k];
      for (int64_t k = n; k < length; ++k)
        lanes[k * kSearchLanes + lane] = 0;
    }
  }

  void scatter(int64_t first, int64_t used) {
    for (int64_t lane = 0; lane < used; ++lane) {
      int64_t flat = first + lane, row = flat / groups, group = flat % groups;
      int8_t *to = out.codes.data() + row * out.columns + group * length;
      for (int64_t k = 0, n = groupLength(group); k < n; ++k)
        to[k] = codes[k * kSearchLanes + lane];
      out.scales[flat] = floatToHalf(search.scales[lane]);
      if (out.format.zero == Zero::Minimum)
        out.zeros[flat] = floatToHalf(search.zeros[lane]);
      else if (out.format.zero == Zero::Integer)
        out.zeros[flat] = static_cast<uint16_t>(search.zeros[lane]);
    }
  }

  const RowBlock &values;
  RowBlock &out;
  int64_t groups, length;
  GroupSearchFunction function;
  std::vector<float> lanes;  // [length][16]
  std::vector<int8_t> codes; // [length][16]
  GroupSearch search = {};
};

} // namespace

Result<RowBlock> nibble::quantize(const RowBlock &values, const Format &format, int64_t firstRow,
                                  QuantizerPath path) {
  NIBBLE_CHECK(checkTarget(values, format));
  if (!isPathSupported(path))
    return failure(
        "this CPU lacks the instructions of the chosen path of the quantizer; use the fastest one");
  NIBBLE_CHECK(checkFinite(values, firstRow));

  RowBlock out{format, values.rows, values.columns, {}, {}, {}, {}};
  out.codes.resize(out.rows * out.columns);
  out.scales.resize(out.rows * out.groups());
  if (format.zero != Zero::None)
    out.zeros.resize(out.rows * out.groups());
  if (int64_t bad = BlockQuantizer(values, out, path).run(); bad >= 0)
    return failure("row " + std::to_string(firstRow + bad / out.groups()) + ", group " +
                   std::to_string(bad % out.groups()) +
                   ": the weights are too large for a scale in f16 (65504 at " + "most) in format " +
                   formatSpelling(format) + "; keep this tensor in f32 or bf16");
  return out;
}
