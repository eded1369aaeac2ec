//===- ParameterCache.cpp - Weights that were read once ---------------------------------------===//
#include "ParameterCache.h"

using namespace nibble;
using namespace nibble::reference;

Format nibble::reference::formatOf(lowbit::FormatAttr format) {
  auto element = [&] {
    switch (format.getElement()) {
    case lowbit::ElementKind::F32:
      return Element::F32;
    case lowbit::ElementKind::F16:
      return Element::F16;
    case lowbit::ElementKind::BF16:
      return Element::BF16;
    case lowbit::ElementKind::Int4:
      return Element::Int4;
    case lowbit::ElementKind::Int8:
      return Element::Int8;
    case lowbit::ElementKind::NF4:
      return Element::NF4;
    case lowbit::ElementKind::FP4:
      return Element::FP4;
    case lowbit::ElementKind::E2M1:
      return Element::E2M1;
    case lowbit::ElementKind::IQ4:
      return Element::IQ4;
    }
    llvm_unreachable("all elements are known");
  };
  auto zero = [&] {
    switch (format.getZero()) {
    case lowbit::ZeroKind::None:
      return Zero::None;
    case lowbit::ZeroKind::Integer:
      return Zero::Integer;
    case lowbit::ZeroKind::Minimum:
      return Zero::Minimum;
    }
    llvm_unreachable("all zero points are known");
  };
  return {element(), format.getGroup(), zero()};
}

ParameterRequest nibble::reference::requestOf(llm::ParamOp op) {
  ParameterRequest request;
  request.name = op.getName().str();
  request.source = formatOf(op.getSource());
  if (auto packed = mlir::dyn_cast<lowbit::PackedType>(op.getResult().getType())) {
    request.rows = packed.getRows();
    request.columns = packed.getColumns();
  } else {
    auto shape = mlir::cast<mlir::ShapedType>(op.getResult().getType()).getShape();
    request.columns = shape.back();
    request.rows = 1;
    for (int64_t size : shape.drop_back())
      request.rows *= size;
  }
  for (mlir::Attribute step : op.getRecipe()) {
    if (auto unpermute = mlir::dyn_cast<lowbit::UnpermuteRowsAttr>(step))
      request.unpermutedHeads = unpermute.getHeads();
    else if (auto convert = mlir::dyn_cast<lowbit::ConvertAttr>(step))
      request.conversions.push_back(formatOf(convert.getFormat()));
  }
  return request;
}

static uint64_t bytesOf(const RowBlock &block) {
  return block.values.size() * sizeof(float) + block.codes.size() +
         2 * (block.scales.size() + block.zeros.size());
}

Result<Weight> ParameterCache::load(llm::ParamOp op) {
  mlir::Attribute key = op->getAttrDictionary();
  if (auto found = kept.find(key); found != kept.end())
    return found->second;
  ParameterRequest request = requestOf(op);
  if (!source)
    return nibble::failure("the module has the weight '" + request.name +
                           "' but nothing to read it from; give the checkpoint's folder with --checkpoint");
  NIBBLE_TRY(RowBlock block, source(request));
  if (block.rows != request.rows || block.columns != request.columns)
    return nibble::failure("weight '" + request.name + "' is " + std::to_string(block.rows) + "x" +
                           std::to_string(block.columns) + "; the module expects " +
                           std::to_string(request.rows) + "x" + std::to_string(request.columns));
  NIBBLE_CHECK(block.check());
  uint64_t bytes = bytesOf(block);
  auto weight = std::make_shared<const RowBlock>(std::move(block));
  if (used + bytes <= limit) {
    used += bytes;
    kept[key] = weight;
  }
  return weight;
}
