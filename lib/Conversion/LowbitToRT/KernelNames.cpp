//===- KernelNames.cpp - Names that say what a kernel does ------------------------------------===//
#include "lib/Conversion/LowbitToRT/KernelNames.h"

#include "dialects/LLM/LLM.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace nibble;

static std::string shapeOf(int64_t rows, int64_t columns) {
  return std::to_string(rows) + "x" + std::to_string(columns);
}

static std::string nameOf(lowbit::LinearOp op) {
  auto type = cast<lowbit::PackedType>(op.getWeights().front().getType());
  std::string name = op.getWeights().size() > 1 ? "gated_" : "linear_";
  name += shapeOf(type.getRows(), type.getColumns());
  for (Value weight : op.getWeights())
    name += "_" + cast<lowbit::PackedType>(weight.getType()).getFormat().getSpelling();
  name += "_" + lowbit::stringifyActivationKind(op.getInput().getType().getActivations()).str();
  for (Value extra : op.getExtras())
    name += cast<ShapedType>(extra.getType()).getRank() == 1 ? "_bias" : "_residual";
  return name;
}

static std::string nameOf(lowbit::QuantizeRowsOp op) {
  lowbit::RowsType type = op.getResult().getType();
  std::string name = op.getNorm() ? "rows_norm_" : "rows_";
  name +=
      std::to_string(type.getColumns()) + "_" + lowbit::stringifyActivationKind(type.getActivations()).str();
  if (type.getCount() == lowbit::RowCount::Logits)
    name += "_logits";
  return name;
}

static std::string nameOf(llm::EmbedOp op) {
  if (auto type = dyn_cast<lowbit::PackedType>(op.getTable().getType()))
    return "embed_" + shapeOf(type.getRows(), type.getColumns()) + "_" + type.getFormat().getSpelling();
  auto shape = cast<ShapedType>(op.getTable().getType()).getShape();
  return "embed_" + shapeOf(shape[0], shape[1]) + "_f32";
}

static std::string nameOf(llm::AnglesOp op) {
  return "angles_" + std::to_string(op.getInverseFrequencies().size());
}

static std::string nameOf(rt::StoreKVOp op) {
  return "store_kv_" + shapeOf(op.getKvHeads(), op.getHeadDim());
}

template <typename Op> static std::string nameOfAttention(Op op, const char *family) {
  std::string name =
      family + shapeOf(op.getHeads(), op.getHeadDim()) + "_kv" + std::to_string(op.getKvHeads());
  if (op.getWindow())
    name += "_window" + std::to_string(*op.getWindow());
  if (op.getSinks())
    name += "_sinks";
  return name;
}
static std::string nameOf(rt::AttendOp op) { return nameOfAttention(op, "attention_"); }
static std::string nameOf(rt::MergeOp op) { return nameOfAttention(op, "merge_"); }

std::string nibble::kernelName(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::string>(op)
      .Case<lowbit::LinearOp, lowbit::QuantizeRowsOp, llm::EmbedOp, llm::AnglesOp, rt::StoreKVOp,
            rt::AttendOp, rt::MergeOp>([](auto typed) { return nameOf(typed); })
      .Default([](Operation *other) { return other->getName().stripDialect().str(); });
}

/// The name of the parameter that `weight` is, without its ending; empty if it is none.
static std::string weightLabel(Value weight) {
  auto param = weight.getDefiningOp<llm::ParamOp>();
  if (!param)
    return "";
  StringRef name = param.getName();
  name.consume_back(".weight");
  return name.str();
}

std::string nibble::dispatchLabel(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::string>(op)
      .Case([](lowbit::LinearOp linear) {
        bool isHead = linear.getInput().getType().getCount() == lowbit::RowCount::Logits;
        return isHead ? "head" : weightLabel(linear.getWeights().front());
      })
      .Case([](llm::EmbedOp embed) { return weightLabel(embed.getTable()); })
      .Case([](rt::AttendOp attend) { return "attention." + std::to_string(attend.getLayer()); })
      .Case([](rt::MergeOp merge) {
        Operation *attend = merge.getAttended().getDefiningOp();
        return (attend ? dispatchLabel(attend) : std::string("attention")) + ".merge";
      })
      .Case([](rt::StoreKVOp store) { return "attention." + std::to_string(store.getLayer()) + ".store"; })
      .Case([](lowbit::QuantizeRowsOp rows) {
        Operation *first = nullptr;
        for (Operation *user : rows->getUsers())
          if (isa<lowbit::LinearOp>(user) && (!first || user->isBeforeInBlock(first)))
            first = user;
        return first ? dispatchLabel(first) + ".input" : std::string("rows");
      })
      .Default([](Operation *other) { return other->getName().stripDialect().str(); });
}
