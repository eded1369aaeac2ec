//===- AttentionHeads.cpp - Heads of q and k on their way into attention ----------------------===//
#include "AttentionHeads.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace nibble;

std::optional<HeadInput> HeadInput::trace(rt::KernelOp kernel, Value value) {
  HeadInput input;
  if ((input.rotate = value.getDefiningOp<llm::RotateOp>()))
    value = input.rotate.getInput();
  if ((input.norm = value.getDefiningOp<llm::RMSNormOp>()))
    value = input.norm.getInput();
  input.source = value;
  if (isa<BlockArgument>(value))
    return input;
  kernel.emitError() << "attention reads q and k through rms_norm and rotate only, found "
                     << value.getDefiningOp()->getName();
  return std::nullopt;
}

Value nibble::headOf(KernelBuilder &b, const KernelFrame &frame, rt::KernelOp kernel, Value matrix,
                     int64_t headDim, Value row, Value head) {
  Value start = b.at(operandOf(frame, kernel, matrix), b.mul(row, rt::rowBytes(matrix.getType())));
  return b.at(start, b.mul(head, headDim * 4));
}

void HeadInput::prepare(KernelBuilder &b, const KernelFrame &frame, rt::KernelOp kernel, int64_t headDim,
                        Value row, Value head, Value out, double scale) {
  Value in = headOf(b, frame, kernel, source, headDim, row, head);
  SmallVector<Piece> pieces = b.pieces(headDim);
  auto type = [&](const Piece &piece) { return b.vec(piece.lanes, b.f32()); };
  SmallVector<Value> x;
  for (const Piece &piece : pieces)
    x.push_back(b.load(type(piece), in, 4 * piece.begin, 4));

  if (norm) {
    // Whole vectors are summed lane by lane, each shorter one apart.
    Value total;
    for (size_t i = 0; i < pieces.size();) {
      Value squares = b.constant(type(pieces[i]), 0.0);
      for (size_t first = i; i < pieces.size() && pieces[i].lanes == pieces[first].lanes; ++i)
        squares = b.fma(x[i], x[i], squares);
      Value sum = b.reduceAdd(squares);
      total = total ? b.add(total, sum) : sum;
    }
    Value mean = arith::DivFOp::create(b, total, b.constant(b.f32(), static_cast<double>(headDim)));
    mean = b.add(mean, b.constant(b.f32(), norm.getEps().convertToDouble()));
    Value inverse =
        arith::DivFOp::create(b, b.constant(b.f32(), 1.0), math::SqrtOp::create(b, mean).getResult());
    Value gain = operandOf(frame, kernel, norm.getGain());
    for (auto [i, piece] : llvm::enumerate(pieces)) {
      Value normed = b.mul(x[i], b.splat(inverse, piece.lanes));
      x[i] = b.mul(normed, b.load(type(piece), gain, 4 * piece.begin, 4));
    }
  }
  auto scaled = [&](Value value) {
    return scale == 1.0 ? value : b.mul(value, b.constant(value.getType(), scale));
  };
  for (auto [i, piece] : llvm::enumerate(pieces))
    b.store(rotate ? x[i] : scaled(x[i]), out, 4 * piece.begin, 4);
  if (!rotate)
    return;

  auto angles = cast<RankedTensorType>(rotate.getAngles().getType());
  int64_t half = angles.getDimSize(1) / 2;
  Value table = b.at(operandOf(frame, kernel, rotate.getAngles()), b.mul(row, rt::rowBytes(angles)));
  for (const Piece &piece : b.pieces(half)) {
    Value c = b.load(type(piece), table, 4 * piece.begin, 4),
          s = b.load(type(piece), table, 4 * (half + piece.begin), 4);
    Value first = b.load(type(piece), out, 4 * piece.begin, 4),
          second = b.load(type(piece), out, 4 * (half + piece.begin), 4);
    b.store(scaled(b.sub(b.mul(first, c), b.mul(second, s))), out, 4 * piece.begin, 4);
    b.store(scaled(b.add(b.mul(second, c), b.mul(first, s))), out, 4 * (half + piece.begin), 4);
  }
  // What is not turned still wants its scale.
  if (scale != 1.0)
    for (const Piece &piece : b.pieces(headDim - 2 * half)) {
      int64_t begin = 2 * half + piece.begin;
      b.store(scaled(b.load(type(piece), out, 4 * begin, 4)), out, 4 * begin, 4);
    }
}
