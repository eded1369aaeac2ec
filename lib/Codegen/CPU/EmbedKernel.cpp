//===- EmbedKernel.cpp - Kernels of llm.embed -------------------------------------------------===//
//
// An item is one token: its row is decoded from the panel that holds it, the very bytes that the head
// multiplies.
//
//===------------------------------------------------------------------------------------------===//
#include "KernelEmitter.h"
#include "WeightPanel.h"

#include "dialects/LLM/LLM.h"
#include "nibble/runtime/KernelABI.h"

using namespace mlir;
using namespace nibble;

namespace {

class EmbedEmitter final : public KernelEmitter {
public:
  EmbedEmitter(rt::KernelOp kernel, llm::EmbedOp op, lowbit::PackedType table)
      : kernel(kernel), op(op),
        table(WeightPanel::get(table, lowbit::RowsType::get(kernel.getContext(), lowbit::RowCount::Tokens,
                                                            table.getColumns(), lowbit::ActivationKind::F32,
                                                            {}, false))) {}

  Value items(KernelBuilder &b, Value batch) override { return rowCount(b, batch, lowbit::RowCount::Tokens); }

  void item(KernelBuilder &b, const KernelFrame &frame, Value token) override {
    const PanelLayout &layout = table.layout;
    Value id = arrayElement(b, batchArray(b, frame.batch, offsetof(NibbleBatch, tokenId)), token);
    Value panel =
        b.at(operandOf(frame, kernel, op.getTable()), b.mul(b.div(id, kPanelRows), layout.panelBytes()));
    Value row = b.mod(id, kPanelRows);
    Value out = b.at(resultPointer(frame, kernel, 0), b.mul(token, rt::rowBytes(op.getType())));
    scale = b.constant(b.f32(), op.getScale().convertToDouble());
    layout.format.isFloat() ? floats(b, panel, row, out) : integers(b, panel, row, out);
  }

private:
  /// One column after the other, or one pair of columns.
  void floats(KernelBuilder &b, Value panel, Value row, Value out) {
    Type stored = table.layout.format.element == Element::F32   ? b.f32()
                  : table.layout.format.element == Element::F16 ? Type(b.getF16Type())
                                                                : Type(b.getBF16Type());
    int64_t width = KernelBuilder::byteWidth(stored);
    int64_t columns = table.layout.columns, together = table.layout.columnsTogether();
    Value base = b.at(panel, b.mul(row, width * together));
    auto decode = [&](Value run, int64_t count) {
      Value value = b.loadFloats(stored, b.at(base, b.mul(run, kPanelRows * width * together)), count, width);
      store(b, value, b.at(out, b.mul(run, 4 * together)));
    };
    b.loop(b.index(0), b.index(columns / together), 1, [&](Value run) { decode(run, together); });
    if (columns % together)
      decode(b.index(columns / together), columns % together);
  }

  /// Four bytes of each of a subgroup's vectors belong to the row: four columns, or four low and four high
  /// nibbles.
  void integers(KernelBuilder &b, Value panel, Value row, Value out) {
    const PanelLayout &layout = table.layout;
    int64_t perBlock = layout.subgroupsPerBlock(), header = layout.blockHeaderBytes();
    int64_t perGroup = layout.format.group == 0 ? perBlock : layout.format.group / kSubgroup;
    int64_t bits = layout.format.bits(), blockBytes = header + perBlock * layout.subgroupBytes();
    VectorType ints = b.vec(4, b.i32());
    int64_t lastColumns = layout.columns % kSubgroup;

    auto subgroup = [&](Value number, int64_t columns) {
      Value block = b.at(panel, b.mul(b.div(number, perBlock), blockBytes)),
            inBlock = b.mod(number, perBlock);
      Value line = b.at(block, b.add(b.mul(b.div(inBlock, perGroup), 32), b.mul(row, 2)));
      Value scales = b.splat(halfAt(b, line), 4);
      Value minima;
      if (layout.format.zero == Zero::Minimum) {
        minima = b.splat(halfAt(b, b.at(line, 64)), 4);
      } else if (layout.format.zero == Zero::Integer) {
        // s (c - z) = s c + m, m = -(s z) exact in f32. Zero points are u8 [2][16] in the second line.
        Value zero = b.at(block, b.add(b.mul(b.div(inBlock, perGroup), 16), b.add(row, 64)));
        Value z = arith::UIToFPOp::create(b, b.f32(), b.load(b.i8(), zero, 1));
        minima = arith::NegFOp::create(b, b.mul(scales, b.splat(z, 4)));
      }
      Value codes = b.at(b.at(block, header), b.add(b.mul(inBlock, layout.subgroupBytes()), b.mul(row, 4)));
      Value target = b.at(out, b.mul(number, kSubgroup * 4));
      for (int64_t column = 0; column < columns; column += 4) {
        Value address = b.at(codes, 64 * (column % (bits == 4 ? 16 : 32) / 4));
        Value code;
        if (layout.format.isCodebook()) {
          code = entries(b, address, column >= 16);
        } else {
          code = arith::ExtUIOp::create(b, ints, b.load(b.vec(4, b.i8()), address, 4));
          if (bits == 4 && column >= 16)
            code = arith::ShRUIOp::create(b, code, b.constant(ints, int64_t(4)));
          else if (bits == 4)
            code = arith::AndIOp::create(b, code, b.constant(ints, int64_t(15)));
          if (table.bias)
            code = b.sub(code, b.constant(ints, table.bias));
        }
        Value value = arith::SIToFPOp::create(b, b.vec(4, b.f32()), code);
        value = minima ? b.fma(scales, value, minima) : b.mul(scales, value);
        store(b, value, b.at(target, 4 * column));
      }
    };
    int64_t whole = layout.columns / kSubgroup;
    b.loop(b.index(0), b.index(whole), 1, [&](Value number) { subgroup(number, kSubgroup); });
    if (lastColumns)
      subgroup(b.index(whole), lastColumns);
  }

  /// The table's entries for the low or the high nibbles of four bytes: 4 lanes of i32.
  Value entries(KernelBuilder &b, Value address, bool high) {
    VectorType ints = b.vec(4, b.i32()), bytes = b.vec(16, b.i8());
    Value code = b.splat(b.load(b.i32(), address, 4), 4);
    if (high)
      code = arith::ShRUIOp::create(b, code, b.constant(ints, int64_t(4)));
    code = vector::BitCastOp::create(b, bytes, code);
    code = arith::AndIOp::create(b, code, b.constant(bytes, int64_t(15)));
    Value entry = lookUpEntries(b, table, code, 0);
    entry = vector::ExtractStridedSliceOp::create(b, entry, ArrayRef<int64_t>{0}, ArrayRef<int64_t>{4},
                                                  ArrayRef<int64_t>{1});
    return arith::ExtSIOp::create(b, ints, entry);
  }

  Value halfAt(KernelBuilder &b, Value pointer) {
    return vector::ExtractOp::create(b, b.loadFloats(b.getF16Type(), pointer, 1, 2), ArrayRef<int64_t>{0});
  }

  void store(KernelBuilder &b, Value value, Value address) {
    int64_t lanes = cast<VectorType>(value.getType()).getDimSize(0);
    if (!op.getScale().isExactlyValue(1.0))
      value = b.mul(value, b.splat(scale, lanes));
    b.store(value, address, 4);
  }

  rt::KernelOp kernel;
  llm::EmbedOp op;
  WeightPanel table;
  Value scale;
};

} // namespace

std::unique_ptr<KernelEmitter> nibble::makeEmbedEmitter(rt::KernelOp kernel, const CPUTarget &) {
  auto ops = kernel.getBody().front().getOps<llm::EmbedOp>();
  if (!llvm::hasSingleElement(ops)) {
    kernel.emitError() << "a kernel of family embed holds one llm.embed";
    return nullptr;
  }
  auto table = dyn_cast<lowbit::PackedType>((*ops.begin()).getTable().getType());
  if (!table || table.getLayout() != lowbit::LayoutKind::Panel) {
    kernel.emitError() << "the embedding table must be packed in panels";
    return nullptr;
  }
  return std::make_unique<EmbedEmitter>(kernel, *ops.begin(), table);
}
