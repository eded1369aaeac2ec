//===- PanelLayout.cpp - Sizes of packed weights ----------------------------------------------===//
#include "nibble/Quantize/PanelLayout.h"

#include <algorithm>

using namespace nibble;

// Larger than any weight there is; with them no product below overflows 63 bits.
static constexpr int64_t kMaxRows = int64_t(1) << 31;
static constexpr int64_t kMaxColumns = int64_t(1) << 27;

int64_t PanelLayout::subgroupsPerBlock() const {
  if (format.isFloat() || format.group == 0)
    return subgroups();
  return std::min(subgroups(), int64_t(2) * format.group / kSubgroup);
}

int64_t PanelLayout::blockHeaderBytes() const {
  if (format.isFloat())
    return 0;
  return format.zero == Zero::None ? 64 : 128;
}

int64_t PanelLayout::subgroupBytes() const { return kPanelRows * kSubgroup * format.bits() / 8; }

int64_t PanelLayout::panelBytes() const {
  return blocks() * blockHeaderBytes() + subgroups() * subgroupBytes();
}

Result<void> PanelLayout::check() const {
  std::string shape = std::to_string(rows) + " x " + std::to_string(columns);
  if (rows < 1 || rows > kMaxRows || columns < 1 || columns > kMaxColumns)
    return failure("a weight of " + shape + " cannot be packed: expected 1 to " + std::to_string(kMaxRows) +
                   " rows of 1 to " + std::to_string(kMaxColumns) + " columns");
  if (!format.isFloat() && format.group % kSubgroup != 0)
    return failure("a weight in format " + formatSpelling(format) +
                   " cannot be packed: the group must be a multiple of " + std::to_string(kSubgroup) +
                   ", or the whole row; choose another format");
  return {};
}
