//===- ToyKernels.cpp - A model small enough to compute by hand -------------------------------===//
//
// Kernels of a toy model, built into a flat image as compiled kernels are. Values are small whole numbers, so
// every sum is exact in f32 and the expected logits (ToyModel.cpp) do not depend on any order. The embedding
// is private, each layer stores x and sums what is stored over the pages, the head multiplies.
//
//===------------------------------------------------------------------------------------------===//

#include "nibble/runtime/KernelABI.h"

using namespace nibble;

static constexpr uint32_t kWidth = 16, kHeads = 2, kHeadDim = 8, kVocabulary = 60, kColumns = 12;

// Rows of every buffer begin at multiples of 64 bytes.
static constexpr uint32_t kLogitsStride = (kVocabulary + 15) / 16 * 16;

static float toFloat(float value) { return value; }
static float toFloat(uint16_t bits) {
  union {
    uint32_t word;
    float value;
  } both = {static_cast<uint32_t>(bits) << 16};
  return both.value;
}
static void fromFloat(float value, float &out) { out = value; }
static void fromFloat(float value, uint16_t &out) {
  union {
    float value;
    uint32_t word;
  } both = {value};
  out = static_cast<uint16_t>(both.word >> 16); // exact for whole numbers up to 256
}

static uint32_t sequenceOf(const NibbleBatch *batch, uint32_t row) {
  uint32_t sequence = 0;
  while (batch->queryStart[sequence + 1] <= row)
    ++sequence;
  return sequence;
}

static uint64_t slotOf(const NibbleBatch *batch, uint32_t sequence, uint32_t position) {
  uint32_t page = batch->pageTable[sequence * batch->pageStride + position / kPageSize];
  return (static_cast<uint64_t>(page) * kHeads * kPageSize + position % kPageSize) * kHeadDim;
}

template <typename Element>
static void store(const NibbleBatch *batch, void *const *operands, uint32_t begin, uint32_t end) {
  auto *x = static_cast<const float *>(operands[0]);
  auto *keys = static_cast<Element *>(operands[1]), *values = static_cast<Element *>(operands[2]);
  for (uint32_t row = begin; row < end; ++row) {
    uint64_t slot = slotOf(batch, sequenceOf(batch, row), static_cast<uint32_t>(batch->position[row]));
    for (uint32_t j = 0; j < kWidth; ++j) {
      uint64_t at = slot + static_cast<uint64_t>(j / kHeadDim) * kPageSize * kHeadDim + j % kHeadDim;
      fromFloat(x[row * kWidth + j], keys[at]);
      fromFloat(-2 * x[row * kWidth + j], values[at]);
    }
  }
}

/// y = x + sum over positions p up to the row's own of (p mod 3) K[p] + V[p]
template <typename Element>
static void attend(const NibbleBatch *batch, void *const *operands, uint32_t begin, uint32_t end) {
  auto *x = static_cast<const float *>(operands[0]);
  auto *keys = static_cast<const Element *>(operands[1]), *values = static_cast<const Element *>(operands[2]);
  auto *y = static_cast<float *>(operands[3]);
  for (uint32_t row = begin; row < end; ++row) {
    uint32_t sequence = sequenceOf(batch, row);
    for (uint32_t j = 0; j < kWidth; ++j) {
      float sum = x[row * kWidth + j];
      for (int32_t p = 0; p <= batch->position[row]; ++p) {
        uint64_t at = slotOf(batch, sequence, static_cast<uint32_t>(p)) +
                      static_cast<uint64_t>(j / kHeadDim) * kPageSize * kHeadDim + j % kHeadDim;
        sum += static_cast<float>(p % 3) * toFloat(keys[at]) + toFloat(values[at]);
      }
      y[row * kWidth + j] = sum;
    }
  }
}

extern "C" {

uint32_t toyRows(const NibbleBatch *batch) { return batch->tokens; }
uint32_t toyHeadItems(const NibbleBatch *batch) { return batch->logitsRows * (kVocabulary / kColumns); }

void toyEmbed(const NibbleBatch *batch, void *const *operands, uint32_t begin, uint32_t end, void *) {
  auto *table = static_cast<const float *>(operands[0]);
  auto *x = static_cast<float *>(operands[1]);
  for (uint32_t row = begin; row < end; ++row)
    for (uint32_t j = 0; j < kWidth; ++j)
      x[row * kWidth + j] = table[batch->tokenId[row] * kWidth + j];
}

void toyStoreF32(const NibbleBatch *batch, void *const *operands, uint32_t begin, uint32_t end, void *) {
  store<float>(batch, operands, begin, end);
}
void toyStoreBF16(const NibbleBatch *batch, void *const *operands, uint32_t begin, uint32_t end, void *) {
  store<uint16_t>(batch, operands, begin, end);
}
void toyAttendF32(const NibbleBatch *batch, void *const *operands, uint32_t begin, uint32_t end, void *) {
  attend<float>(batch, operands, begin, end);
}
void toyAttendBF16(const NibbleBatch *batch, void *const *operands, uint32_t begin, uint32_t end, void *) {
  attend<uint16_t>(batch, operands, begin, end);
}

/// x = y mod 7, by way of the scratch memory: a worker that shared it with another would show.
void toyFold(const NibbleBatch *, void *const *operands, uint32_t begin, uint32_t end, void *scratch) {
  auto *y = static_cast<const float *>(operands[0]);
  auto *x = static_cast<float *>(operands[1]);
  auto *own = static_cast<volatile int32_t *>(scratch);
  for (uint32_t row = begin; row < end; ++row) {
    for (uint32_t j = 0; j < kWidth; ++j)
      own[j] = static_cast<int32_t>(y[row * kWidth + j]) % 7;
    for (uint32_t j = 0; j < kWidth; ++j)
      x[row * kWidth + j] = static_cast<float>(own[j]);
  }
}

void toyHead(const NibbleBatch *batch, void *const *operands, uint32_t begin, uint32_t end, void *) {
  auto *table = static_cast<const float *>(operands[0]), *y = static_cast<const float *>(operands[1]);
  auto *logits = static_cast<float *>(operands[2]);
  for (uint32_t item = begin; item < end; ++item) {
    uint32_t r = item / (kVocabulary / kColumns), first = item % (kVocabulary / kColumns) * kColumns;
    for (uint32_t v = first; v < first + kColumns; ++v) {
      float sum = 0;
      for (uint32_t j = 0; j < kWidth; ++j)
        sum += table[v * kWidth + j] * y[batch->logitsRow[r] * kWidth + j];
      logits[r * kLogitsStride + v] = sum;
    }
  }
}
}
