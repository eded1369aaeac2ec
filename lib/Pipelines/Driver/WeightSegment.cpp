//===- WeightSegment.cpp - Where each weight lies, and how it gets there ----------------------===//
#include "lib/Pipelines/Driver/WeightSegment.h"

#include "nibble/Quantize/Dequantize.h"
#include "nibble/Quantize/FormatAttribute.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace nibble;

static constexpr uint64_t kWeightBytesAlignment = 64;

static PanelLayout layoutOf(const PlacedWeight &weight) {
  return {weight.shape[0], weight.shape[1], weight.format};
}

static Result<PlacedWeight> describe(rt::WeightOp op) {
  PlacedWeight weight;
  weight.name = op.getName().str();
  weight.source = plainFormat(op.getSource());
  if (auto packed = dyn_cast<lowbit::PackedType>(op.getResult().getType());
      packed && packed.getLayout() == lowbit::LayoutKind::Panel) {
    weight.shape = {packed.getRows(), packed.getColumns()};
    weight.format = plainFormat(packed.getFormat());
    weight.panels = true;
    weight.size = layoutOf(weight).bytes();
    return weight;
  }
  auto vector = dyn_cast<RankedTensorType>(op.getResult().getType());
  if (!vector || vector.getRank() != 1 || !vector.getElementType().isF32() || !vector.hasStaticShape())
    return nibble::failure(weight.name + ": the module has it neither in panels nor as a vector of f32; "
                                         "run the fuse phase on it first");
  weight.shape = {vector.getDimSize(0)};
  weight.size = 4 * static_cast<uint64_t>(vector.getDimSize(0));
  return weight;
}

Result<WeightSegment> WeightSegment::plan(rt::ProgramOp program) {
  WeightSegment segment;
  llvm::StringMap<size_t> known;
  for (rt::WeightOp op : program.getBody().getOps<rt::WeightOp>()) {
    NIBBLE_TRY(PlacedWeight weight, describe(op));
    std::string key = weight.name + " " + formatSpelling(weight.format) + (weight.panels ? " panels" : "");
    auto [entry, isNew] = known.try_emplace(key, segment.weights.size());
    segment.index[op] = entry->second;
    if (!isNew)
      continue;
    weight.offset = segment.size;
    segment.size = llvm::alignTo(segment.size + weight.size, kWeightBytesAlignment);
    segment.weights.push_back(std::move(weight));
  }
  return segment;
}

Result<void> WeightSegment::checkAgainst(const ParameterStore &parameters) const {
  for (const PlacedWeight &weight : weights) {
    const StoredTensor *stored = parameters.find(weight.name);
    if (!stored)
      return nibble::failure(weight.name +
                             ": the module names this weight, the checkpoint has none of that name; "
                             "give --checkpoint the one that the module was made from");
    if (stored->shape != weight.shape || stored->format() != weight.source)
      return nibble::failure(weight.name + ": shape or format in the checkpoint (" +
                             formatSpelling(stored->format()) + ") is not what the module expects (" +
                             formatSpelling(weight.source) +
                             "); give --checkpoint the one that the module was made from");
  }
  return {};
}

/// A gain or bias: one row, widened to f32.
static Result<void> writeVector(const ParameterStore &parameters, const StoredTensor &stored,
                                const WeightSegment::Sink &sink) {
  NIBBLE_TRY(RowBlock row, parameters.readRows(stored, 0, 1));
  NIBBLE_TRY(RowBlock widened, dequantize(row));
  return sink(std::as_bytes(std::span(widened.values)));
}

Result<void> WeightSegment::write(const ParameterStore &parameters, unsigned threads, const Sink &sink,
                                  const std::function<void(uint64_t)> &progress) const {
  uint64_t position = 0;
  const std::vector<std::byte> zeros(kWeightBytesAlignment);
  for (const PlacedWeight &weight : weights) {
    const StoredTensor &stored = *parameters.find(weight.name);
    Sink counted = [&](std::span<const std::byte> bytes) {
      position += bytes.size();
      return sink(bytes);
    };
    Result<void> written;
    if (weight.panels) {
      PanelLayout layout = layoutOf(weight);
      written =
          packWeight([&](int64_t begin, int64_t end) { return parameters.readRows(stored, begin, end); },
                     layout, [&](std::span<const uint8_t> bytes) { return counted(std::as_bytes(bytes)); },
                     {.threads = threads}, [&](int64_t) { progress(position); });
    } else {
      written = writeVector(parameters, stored, counted);
    }
    if (!written)
      return nibble::failure(weight.name + ": " + written.error().message);
    if (position != weight.offset + weight.size)
      return nibble::failure(weight.name + ": " + std::to_string(position - weight.offset) +
                             " bytes were packed, " + std::to_string(weight.size) +
                             " expected; this is a defect of nibble-compile");
    uint64_t padding = llvm::alignTo(position, kWeightBytesAlignment) - position;
    NIBBLE_CHECK(counted(std::span(zeros).first(padding)));
    progress(position);
  }
  return {};
}
