//===- Schedule.cpp - Outlines a fused model into kernels and a program -----------------------===//
//
// 1. Check the function's signature: (ids, positions, rows, cache) -> logits.
// 2. Group each op that computes rows with the ops that its kernel does on the way (rope and norms of
// attention).
// 3. Outline each group into a kernel, or find the kernel of the same body.
// 4. Emit the program: weights, caches, a buffer for each result, the dispatches in order.
//
//===------------------------------------------------------------------------------------------===//
#include "lib/Conversion/LowbitToRT/KernelNames.h"
#include "lib/Conversion/LowbitToRT/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace nibble {
#define GEN_PASS_DEF_SCHEDULEPASS
#include "lib/Conversion/LowbitToRT/Passes.h.inc"
} // namespace nibble

using namespace nibble;

namespace {

/// What one kernel does.
struct Group {
  Operation *root = nullptr;
  rt::Family family;
  SmallVector<Operation *> ops;    // in order, the root last
  llvm::SetVector<Value> operands; // values from outside, as the kernel takes them
};

class Scheduler {
public:
  Scheduler(ModuleOp module, func::FuncOp function)
      : module(module), function(function), kernels(module.getContext()), program(module.getContext()) {}

  LogicalResult run();

private:
  LogicalResult checkSignature();
  FailureOr<SmallVector<Group>> groupOps();
  void addProducers(Value value, Group &group);
  void collectOperands(Group &group);
  rt::KernelOp outline(const Group &group);
  rt::KernelOp findOrCreateKernel(const Group &group);
  LogicalResult emitDispatch(const Group &group);
  Value programValue(Value value);

  bool isBatchField(Value value) const {
    auto argument = dyn_cast<BlockArgument>(value);
    return argument && argument.getArgNumber() < 3;
  }
  /// Rows for logits come from rows that were selected; all others are one a token.
  bool hasRowsOfLogits(Operation *op) const {
    if (auto rows = dyn_cast<lowbit::QuantizeRowsOp>(op))
      return rows.getResult().getType().getCount() == lowbit::RowCount::Logits;
    auto linear = dyn_cast<lowbit::LinearOp>(op);
    return linear && linear.getInput().getType().getCount() == lowbit::RowCount::Logits;
  }

  ModuleOp module;
  func::FuncOp function;
  OpBuilder kernels, program; // where new kernels go, and new ops of the program
  rt::ProgramOp programOp;
  llvm::StringMap<rt::KernelOp> byBody; // printed without names and locations
  llvm::StringMap<unsigned> uses;       // of a name for kernels
  IRMapping values;                     // of the function in the program
  DenseMap<std::pair<Value, int64_t>, Value> caches;
};

struct SchedulePass : nibble::impl::SchedulePassBase<SchedulePass> {
  void runOnOperation() override {
    auto functions = llvm::to_vector(getOperation().getOps<func::FuncOp>());
    if (functions.size() != 1) {
      getOperation().emitError() << "expected one function, the model's step; found " << functions.size();
      return signalPassFailure();
    }
    if (failed(Scheduler(getOperation(), functions.front()).run()))
      signalPassFailure();
  }
};

} // namespace

LogicalResult Scheduler::checkSignature() {
  FunctionType type = function.getFunctionType();
  auto indices = RankedTensorType::get({ShapedType::kDynamic}, kernels.getI32Type());
  bool fits = type.getNumInputs() == 4 && type.getNumResults() == 1 && !function.isExternal() &&
              llvm::all_of(type.getInputs().take_front(3), [&](Type t) { return t == indices; }) &&
              isa<llm::CacheType>(type.getInput(3)) && isa<RankedTensorType>(type.getResult(0)) &&
              function.getBody().hasOneBlock();
  if (!fits)
    return function.emitOpError()
           << "expected a body and the type (ids, positions, rows: tensor<?xi32>, !llm.cache) -> "
              "tensor<?xNxf32>, found "
           << type;
  return success();
}

/// Before: rms_norm and rotate of q or k, then attention or the store. Each is copied into the group: k's are
/// read by two.
void Scheduler::addProducers(Value value, Group &group) {
  SmallVector<Operation *> chain;
  while (Operation *producer = value.getDefiningOp()) {
    if (!isa<llm::RotateOp, llm::RMSNormOp>(producer))
      break;
    chain.push_back(producer);
    value = producer->getOperand(0);
  }
  llvm::append_range(group.ops, llvm::reverse(chain));
  group.operands.insert(value);
}

void Scheduler::collectOperands(Group &group) {
  // What the root reads comes first, then what its producers read.
  for (Value operand : group.root->getOperands())
    if (!isBatchField(operand) && !llvm::is_contained(group.ops, operand.getDefiningOp()))
      group.operands.insert(operand);
  group.ops.push_back(group.root);
  for (Operation *op : group.ops)
    for (Value operand : op->getOperands())
      if (!isBatchField(operand) && !llvm::is_contained(group.ops, operand.getDefiningOp()))
        group.operands.insert(operand);
}

/// Whether the one result of a norm or rotation is read as query or key only, or on the way there.
static bool feedsAttentionOnly(Operation *op) {
  return llvm::all_of(op->getUses(), [](OpOperand &use) {
    if (isa<llm::RotateOp, llm::RMSNormOp>(use.getOwner()))
      return use.getOperandNumber() == 0;
    if (isa<rt::StoreKVOp>(use.getOwner()))
      return use.getOperandNumber() == 0;
    return isa<rt::AttendOp>(use.getOwner()) && use.getOperandNumber() < 2;
  });
}

FailureOr<SmallVector<Group>> Scheduler::groupOps() {
  SmallVector<Group> groups;
  DenseSet<Operation *> grouped;
  for (Operation &op : function.front().without_terminator()) {
    Group group;
    group.root = &op;
    if (isa<llm::ParamOp, llm::RotateOp, llm::RMSNormOp>(op))
      continue;
    if (isa<llm::EmbedOp>(op)) {
      group.family = rt::Family::Embed;
    } else if (isa<lowbit::QuantizeRowsOp>(op)) {
      group.family = rt::Family::Rows;
    } else if (isa<lowbit::LinearOp>(op)) {
      group.family = rt::Family::Linear;
    } else if (isa<llm::AnglesOp>(op)) {
      group.family = rt::Family::Angles;
    } else if (auto store = dyn_cast<rt::StoreKVOp>(op)) {
      group.family = rt::Family::StoreKV;
      addProducers(store.getKey(), group);
    } else if (auto attend = dyn_cast<rt::AttendOp>(op)) {
      group.family = rt::Family::Attention;
      addProducers(attend.getQuery(), group);
      addProducers(attend.getKey(), group);
    } else if (isa<rt::MergeOp>(op)) {
      group.family = rt::Family::Merge;
    } else {
      return op.emitOpError() << "has no family of kernels; the fuse phase leaves no such op";
    }
    collectOperands(group);
    grouped.insert(group.ops.begin(), group.ops.end());
    groups.push_back(std::move(group));
  }
  for (Operation &op : function.front().without_terminator())
    if (isa<llm::RotateOp, llm::RMSNormOp>(op) && (!grouped.contains(&op) || !feedsAttentionOnly(&op)))
      return op.emitOpError()
             << "has no family of kernels unless it only feeds the query or key of attention";
  return groups;
}

rt::KernelOp Scheduler::outline(const Group &group) {
  Location loc = group.root->getLoc();
  SmallVector<Type> inputs;
  for (Value operand : group.operands)
    inputs.push_back(operand.getType());
  auto type = FunctionType::get(module.getContext(), inputs, group.root->getResultTypes());
  auto kernel = rt::KernelOp::create(kernels, loc, "kernel", type, group.family, /*sym_visibility=*/nullptr,
                                     /*arg_attrs=*/nullptr, /*res_attrs=*/nullptr);
  Block *body = &kernel.getBody().emplaceBlock();
  OpBuilder builder = OpBuilder::atBlockEnd(body);
  IRMapping map;
  for (Value operand : group.operands)
    map.map(operand, body->addArgument(operand.getType(), loc));
  for (Operation *op : group.ops) {
    for (Value operand : op->getOperands())
      if (isBatchField(operand) && !map.contains(operand)) {
        auto field = static_cast<rt::BatchField>(cast<BlockArgument>(operand).getArgNumber());
        map.map(operand, rt::BatchOp::create(builder, loc, operand.getType(), field).getResult());
      }
    Operation *copy = builder.clone(*op, map);
    if (copy->hasAttr("layer"))
      copy->setAttr("layer", builder.getI64IntegerAttr(0));
  }
  SmallVector<Value> results;
  for (Value result : group.root->getResults())
    results.push_back(map.lookup(result));
  rt::YieldOp::create(builder, loc, results);
  return kernel;
}

rt::KernelOp Scheduler::findOrCreateKernel(const Group &group) {
  rt::KernelOp kernel = outline(group);
  std::string body;
  llvm::raw_string_ostream stream(body);
  kernel->print(stream, OpPrintingFlags().enableDebugInfo(false).useLocalScope());
  auto [entry, isNew] = byBody.try_emplace(body, kernel);
  if (!isNew) {
    kernel->erase();
    return entry->second;
  }
  std::string name = kernelName(group.root);
  if (unsigned count = ++uses[name]; count > 1)
    name += "_" + std::to_string(count);
  kernel.setSymName(name);
  return kernel;
}

/// The program's value for an operand of a group; weights and caches appear where they are first read.
Value Scheduler::programValue(Value value) {
  if (Value known = values.lookupOrNull(value))
    return known;
  auto param = cast<llm::ParamOp>(value.getDefiningOp());
  auto weight = rt::WeightOp::create(program, param.getLoc(), param.getType(), param.getNameAttr(),
                                     param.getSourceAttr(), param.getRecipeAttr());
  values.map(value, weight.getResult());
  return weight;
}

LogicalResult Scheduler::emitDispatch(const Group &group) {
  rt::KernelOp kernel = findOrCreateKernel(group);
  Location loc = group.root->getLoc();
  std::string label = dispatchLabel(group.root);
  SmallVector<Value> inputs, outputs;
  for (Value operand : group.operands) {
    if (auto cache = dyn_cast<llm::CacheType>(operand.getType())) {
      int64_t layer = group.root->getAttrOfType<IntegerAttr>("layer").getInt();
      Value &known = caches[{operand, layer}];
      if (!known)
        known = rt::CacheOp::create(program, loc, cache, program.getI64IntegerAttr(layer));
      inputs.push_back(known);
      continue;
    }
    inputs.push_back(programValue(operand));
  }
  bool isRows = group.family == rt::Family::Rows;
  for (auto [i, result] : llvm::enumerate(group.root->getResults())) {
    if (auto merge = dyn_cast<rt::MergeOp>(group.root)) {
      values.map(result, values.lookup(merge.getAttended()));
      outputs.push_back(values.lookup(result));
      continue;
    }
    int64_t bytes = llvm::alignTo(rt::rowBytes(result.getType()), rt::kBufferAlignment);
    bool isLogits =
        llvm::any_of(result.getUsers(), [](Operation *user) { return isa<func::ReturnOp>(user); });
    bool ofLogits = hasRowsOfLogits(group.root);
    // The partials of attention have a fixed number of rows.
    auto shaped = dyn_cast<RankedTensorType>(result.getType());
    bool isFixed = shaped && !shaped.isDynamicDim(0);
    SmallVector<int64_t> size = isFixed    ? SmallVector<int64_t>{0, 0, bytes * shaped.getDimSize(0)}
                                : ofLogits ? SmallVector<int64_t>{0, bytes, 0}
                                           : SmallVector<int64_t>{bytes, 0, 0};
    auto buffer =
        rt::BufferOp::create(program, loc, result.getType(),
                             isLogits ? "logits"
                             : i      ? label + (isRows ? ".sum" : ".partials")
                                      : label,
                             isRows ? rt::Space::Private : rt::Space::Arena, size, /*offset=*/nullptr,
                             /*private_offset=*/nullptr);
    values.map(result, buffer.getResult());
    outputs.push_back(buffer.getResult());
  }
  rt::DispatchOp::create(program, loc, FlatSymbolRefAttr::get(kernel.getSymNameAttr()), inputs, outputs,
                         rt::BarrierAttr::get(module.getContext(), rt::Barrier::Always),
                         program.getStringAttr(label));
  return success();
}

LogicalResult Scheduler::run() {
  if (failed(checkSignature()))
    return failure();
  Value result = function.front().getTerminator()->getOperand(0);
  auto groups = groupOps();
  if (failed(groups))
    return failure();
  if (llvm::none_of(*groups, [&](const Group &group) { return result.getDefiningOp() == group.root; }))
    return function.emitOpError() << "returns no result of a kernel";
  programOp = rt::ProgramOp::create(program = OpBuilder(function), function.getLoc(), function.getSymName(),
                                    /*arena=*/nullptr, /*private_bytes=*/nullptr);
  kernels.setInsertionPoint(programOp);
  program.setInsertionPointToEnd(&programOp.getBody().emplaceBlock());
  for (const Group &group : *groups)
    if (failed(emitDispatch(group)))
      return failure();
  function.erase();
  return success();
}
