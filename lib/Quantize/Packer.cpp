//===- Packer.cpp - Rows to panels and back ---------------------------------------------------===//
//
// Sixteen rows are first copied into a tile [16][padded K] with their padding, then laid out four codes (one
// 32-bit word, one row of a vector) at a time.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/Quantize/Packer.h"

#include "nibble/Quantize/Codebook.h"
#include "nibble/runtime/HalfFloat.h"

#include <algorithm>
#include <cstring>

using namespace nibble;

namespace {

uint32_t loadWord(const uint8_t *from) {
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

void storeWord(uint8_t *to, uint32_t word) { std::memcpy(to, &word, sizeof word); }

/// One subgroup of 32 columns: `tile` points to its first column, rows lie `stride` bytes apart.
void packInt4(const uint8_t *tile, int64_t stride, uint32_t bias, uint8_t *out) {
  for (int64_t j = 0; j < 4; ++j)
    for (int64_t r = 0; r < kPanelRows; ++r) {
      uint32_t low = (loadWord(tile + r * stride + 4 * j) & 0x0f0f0f0f) ^ bias;
      uint32_t high = (loadWord(tile + r * stride + 16 + 4 * j) & 0x0f0f0f0f) ^ bias;
      storeWord(out + 64 * j + 4 * r, low | high << 4);
    }
}

void unpackInt4(const uint8_t *in, int64_t stride, uint32_t bias, uint8_t *tile) {
  // Four-bit two's complement to eight bits: (code + 8) - 8 in each byte; a set top bit keeps borrows apart.
  auto widen = [bias](uint32_t stored) {
    return bias ? ((stored | 0x80808080) - bias) ^ 0x80808080 : stored;
  };
  for (int64_t j = 0; j < 4; ++j)
    for (int64_t r = 0; r < kPanelRows; ++r) {
      uint32_t word = loadWord(in + 64 * j + 4 * r);
      storeWord(tile + r * stride + 4 * j, widen(word & 0x0f0f0f0f));
      storeWord(tile + r * stride + 16 + 4 * j, widen(word >> 4 & 0x0f0f0f0f));
    }
}

void packInt8(const uint8_t *tile, int64_t stride, uint32_t bias, uint8_t *out) {
  for (int64_t j = 0; j < 8; ++j)
    for (int64_t r = 0; r < kPanelRows; ++r)
      storeWord(out + 64 * j + 4 * r, loadWord(tile + r * stride + 4 * j) ^ bias);
}

void unpackInt8(const uint8_t *in, int64_t stride, uint32_t bias, uint8_t *tile) {
  for (int64_t j = 0; j < 8; ++j)
    for (int64_t r = 0; r < kPanelRows; ++r)
      storeWord(tile + r * stride + 4 * j, loadWord(in + 64 * j + 4 * r) ^ bias);
}

/// Walks the panels of a weight in a format with codes. The same walk packs and unpacks.
class CodePanels {
public:
  explicit CodePanels(const PanelLayout &layout)
      : layout(layout), format(layout.format), columns(layout.columns), padded(layout.paddedColumns()),
        tile(kPanelRows * padded) {
    if (format.isCodebook())
      padding = zeroCode(format.element);
    else if (format.zero == Zero::None)
      bias = format.bits() == 4 ? 0x08080808 : 0x80808080;
  }

  /// `out` is zeroed. `firstRow` is the block's row that becomes row 0 of the panel.
  void pack(const RowBlock &block, int64_t firstRow, uint8_t *out) {
    int64_t rows = std::min(kPanelRows, block.rows - firstRow), groups = block.groups();
    std::fill(tile.begin(), tile.end(), padding);
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(&tile[r * padded], block.codes.data() + (firstRow + r) * columns, columns);
      if (format.zero == Zero::Integer) // a code that means zero is the zero point itself
        std::fill(&tile[r * padded] + columns, &tile[r * padded] + padded,
                  static_cast<uint8_t>(block.zeros[(firstRow + r + 1) * groups - 1]));
    }
    forEachSubgroup([&](int64_t subgroup, int64_t offset) {
      (format.bits() == 4 ? packInt4 : packInt8)(&tile[subgroup * kSubgroup], padded, bias, out + offset);
    });
    forEachGroup(groups, [&](int64_t group, int64_t scaleOffset, int64_t slot) {
      for (int64_t r = 0; r < rows; ++r) {
        int64_t flat = (firstRow + r) * groups + group, lane = slot * kPanelRows + r;
        std::memcpy(out + scaleOffset + 2 * lane, &block.scales[flat], 2);
        if (format.zero == Zero::Minimum)
          std::memcpy(out + scaleOffset + 64 + 2 * lane, &block.zeros[flat], 2);
        else if (format.zero == Zero::Integer)
          out[scaleOffset + 64 + lane] = static_cast<uint8_t>(block.zeros[flat]);
      }
    });
  }

  void unpack(const uint8_t *in, RowBlock &block, int64_t firstRow) {
    int64_t rows = std::min(kPanelRows, block.rows - firstRow), groups = block.groups();
    forEachSubgroup([&](int64_t subgroup, int64_t offset) {
      (format.bits() == 4 ? unpackInt4 : unpackInt8)(in + offset, padded, bias, &tile[subgroup * kSubgroup]);
    });
    for (int64_t r = 0; r < rows; ++r)
      std::memcpy(block.codes.data() + (firstRow + r) * columns, &tile[r * padded], columns);
    forEachGroup(groups, [&](int64_t group, int64_t scaleOffset, int64_t slot) {
      for (int64_t r = 0; r < rows; ++r) {
        int64_t flat = (firstRow + r) * groups + group, lane = slot * kPanelRows + r;
        std::memcpy(&block.scales[flat], in + scaleOffset + 2 * lane, 2);
        if (format.zero == Zero::Minimum)
          std::memcpy(&block.zeros[flat], in + scaleOffset + 64 + 2 * lane, 2);
        else if (format.zero == Zero::Integer)
          block.zeros[flat] = in[scaleOffset + 64 + lane];
      }
    });
  }

private:
  int64_t blockBytes() const {
    return layout.blockHeaderBytes() + layout.subgroupsPerBlock() * layout.subgroupBytes();
  }

  /// visit(subgroup, byte offset of its codes in the panel)
  template <typename Visit> void forEachSubgroup(Visit visit) const {
    int64_t perBlock = layout.subgroupsPerBlock();
    for (int64_t s = 0; s < layout.subgroups(); ++s)
      visit(s,
            s / perBlock * blockBytes() + layout.blockHeaderBytes() + s % perBlock * layout.subgroupBytes());
  }

  /// visit(group, byte offset of its block, 0 or 1: which half of the block's scales)
  template <typename Visit> void forEachGroup(int64_t groups, Visit visit) const {
    for (int64_t group = 0; group < groups; ++group)
      visit(group, group / 2 * blockBytes(), group % 2);
  }

  const PanelLayout &layout;
  Format format;
  int64_t columns, padded;
  uint32_t bias = 0;         // XOR of four codes at once: adds 2^(b-1) modulo 2^b
  uint8_t padding = 0;       // the code that means zero
  std::vector<uint8_t> tile; // [16][padded K] codes
};

template <Element element> void storeElement(uint8_t *panel, int64_t at, float value) {
  if constexpr (element == Element::F32) {
    std::memcpy(panel + 4 * at, &value, 4);
  } else {
    uint16_t bits = element == Element::F16 ? floatToHalf(value) : floatToBFloat16(value);
    std::memcpy(panel + 2 * at, &bits, 2);
  }
}

template <Element element> float loadElement(const uint8_t *panel, int64_t at) {
  if constexpr (element == Element::F32) {
    float value;
    std::memcpy(&value, panel + 4 * at, 4);
    return value;
  } else {
    uint16_t bits;
    std::memcpy(&bits, panel + 2 * at, 2);
    return element == Element::F16 ? halfToFloat(bits) : bfloat16ToFloat(bits);
  }
}

/// visit(index in the block's values, index in the panel), some columns at a time: 16 rows of them stay in
/// L1.
template <typename Visit>
void forEachFloat(const RowBlock &block, const PanelLayout &layout, int64_t firstRow, Visit visit) {
  int64_t rows = std::min(kPanelRows, block.rows - firstRow);
  for (int64_t begin = 0; begin < block.columns; begin += kPaddedColumns)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = begin, end = std::min(begin + kPaddedColumns, block.columns); k < end; ++k)
        visit((firstRow + r) * block.columns + k, layout.elementIndex(r, k));
}

template <Element element>
void packFloats(const RowBlock &block, const PanelLayout &layout, int64_t firstRow, uint8_t *out) {
  forEachFloat(block, layout, firstRow,
               [&](int64_t from, int64_t to) { storeElement<element>(out, to, block.values[from]); });
}

template <Element element>
void unpackFloats(const uint8_t *in, const PanelLayout &layout, RowBlock &block, int64_t firstRow) {
  forEachFloat(block, layout, firstRow,
               [&](int64_t to, int64_t from) { block.values[to] = loadElement<element>(in, from); });
}

void packFloatPanel(const RowBlock &block, const PanelLayout &layout, int64_t firstRow, uint8_t *out) {
  switch (block.format.element) {
  case Element::F16:
    return packFloats<Element::F16>(block, layout, firstRow, out);
  case Element::BF16:
    return packFloats<Element::BF16>(block, layout, firstRow, out);
  default:
    return packFloats<Element::F32>(block, layout, firstRow, out);
  }
}

void unpackFloatPanel(const uint8_t *in, const PanelLayout &layout, RowBlock &block, int64_t firstRow) {
  switch (block.format.element) {
  case Element::F16:
    return unpackFloats<Element::F16>(in, layout, block, firstRow);
  case Element::BF16:
    return unpackFloats<Element::BF16>(in, layout, block, firstRow);
  default:
    return unpackFloats<Element::F32>(in, layout, block, firstRow);
  }
}

} // namespace

Result<std::vector<uint8_t>> nibble::packPanels(const RowBlock &block, const PanelLayout &layout) {
  NIBBLE_CHECK(layout.check());
  NIBBLE_CHECK(block.check());
  if (block.format != layout.format || block.columns != layout.columns || block.rows > layout.rows)
    return failure("a block of " + std::to_string(block.rows) + " x " + std::to_string(block.columns) +
                   " in " + formatSpelling(block.format) + " cannot be packed into a weight of " +
                   std::to_string(layout.rows) + " x " + std::to_string(layout.columns) + " in " +
                   formatSpelling(layout.format));
  int64_t panels = (block.rows + kPanelRows - 1) / kPanelRows, panelBytes = layout.panelBytes();
  std::vector<uint8_t> out(panels * panelBytes);
  if (block.format.isFloat()) {
    for (int64_t panel = 0; panel < panels; ++panel)
      packFloatPanel(block, layout, panel * kPanelRows, out.data() + panel * panelBytes);
    return out;
  }
  CodePanels codes(layout);
  for (int64_t panel = 0; panel < panels; ++panel)
    codes.pack(block, panel * kPanelRows, out.data() + panel * panelBytes);
  return out;
}

Result<RowBlock> nibble::unpackPanels(std::span<const uint8_t> bytes, const PanelLayout &layout,
                                      int64_t firstPanel) {
  NIBBLE_CHECK(layout.check());
  int64_t panelBytes = layout.panelBytes(), panels = static_cast<int64_t>(bytes.size()) / panelBytes;
  if (bytes.size() % panelBytes != 0)
    return failure("a packed weight in " + formatSpelling(layout.format) + " has " +
                   std::to_string(bytes.size()) + " bytes, expected a multiple of its panel, " +
                   std::to_string(panelBytes) + " bytes");
  if (firstPanel < 0 || firstPanel > layout.panels() || panels > layout.panels() - firstPanel)
    return failure("panels " + std::to_string(firstPanel) + " to " + std::to_string(firstPanel + panels) +
                   " of a packed weight that has " + std::to_string(layout.panels()));

  RowBlock block{layout.format, 0, layout.columns, {}, {}, {}, {}};
  block.rows = std::min(panels * kPanelRows, layout.rows - firstPanel * kPanelRows);
  block.rows = std::max<int64_t>(block.rows, 0);
  if (layout.format.isFloat()) {
    block.values.resize(block.rows * block.columns);
    for (int64_t panel = 0; panel < panels; ++panel)
      unpackFloatPanel(bytes.data() + panel * panelBytes, layout, block, panel * kPanelRows);
    return block;
  }
  block.codes.resize(block.rows * block.columns);
  block.scales.resize(block.rows * block.groups());
  if (layout.format.zero != Zero::None)
    block.zeros.resize(block.rows * block.groups());
  CodePanels codes(layout);
  for (int64_t panel = 0; panel < panels; ++panel)
    codes.unpack(bytes.data() + panel * panelBytes, block, panel * kPanelRows);
  return block;
}
