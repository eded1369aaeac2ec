//===- AnglesKernel.cpp - Kernels of llm.angles -----------------------------------------------===//
//
// An item is one token: cos and sin of f32(position * frequency), which all layers of the step share.
//
//===------------------------------------------------------------------------------------------===//
#include "KernelEmitter.h"

#include "dialects/LLM/LLM.h"
#include "nibble/runtime/KernelABI.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace nibble;

namespace {

class AnglesEmitter final : public KernelEmitter {
public:
  AnglesEmitter(rt::KernelOp kernel, llm::AnglesOp op) : kernel(kernel), op(op) {}

  Value items(KernelBuilder &b, Value batch) override { return rowCount(b, batch, lowbit::RowCount::Tokens); }

  void item(KernelBuilder &b, const KernelFrame &frame, Value token) override {
    ArrayRef<float> frequencies = op.getInverseFrequencies();
    auto half = static_cast<int64_t>(frequencies.size());
    Value position = arrayElement(b, batchArray(b, frame.batch, offsetof(NibbleBatch, position)), token);
    Value p = arith::UIToFPOp::create(b, b.f32(), position);
    Value out = b.at(resultPointer(frame, kernel, 0), b.mul(token, rt::rowBytes(op.getType())));
    double factor = op.getAttentionFactor().convertToDouble();
    for (auto [begin, lanes] : b.pieces(half)) {
      VectorType type = b.vec(lanes, b.f32());
      Value f = arith::ConstantOp::create(
          b, type, cast<TypedAttr>(DenseElementsAttr::get(type, frequencies.slice(begin, lanes))));
      Value angle = b.mul(b.splat(p, lanes), f);
      Value c = math::CosOp::create(b, angle), s = math::SinOp::create(b, angle);
      if (factor != 1.0) {
        Value a = b.constant(type, factor);
        c = b.mul(c, a);
        s = b.mul(s, a);
      }
      b.store(c, out, 4 * begin, 4);
      b.store(s, out, 4 * (half + begin), 4);
    }
  }

private:
  rt::KernelOp kernel;
  llm::AnglesOp op;
};

} // namespace

std::unique_ptr<KernelEmitter> nibble::makeAnglesEmitter(rt::KernelOp kernel, const CPUTarget &) {
  auto ops = kernel.getBody().front().getOps<llm::AnglesOp>();
  if (!llvm::hasSingleElement(ops)) {
    kernel.emitError() << "a kernel of family angles holds one llm.angles";
    return nullptr;
  }
  return std::make_unique<AnglesEmitter>(kernel, *ops.begin());
}
