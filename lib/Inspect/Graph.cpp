//===- Graph.cpp - The dispatches of a program and what flows between them --------------------===//
#include "lib/Inspect/Graph.h"

#include "lib/Inspect/Names.h"
#include "lib/Inspect/Table.h"

#include "llvm/ADT/DenseMap.h"

using namespace mlir;
using namespace nibble;

namespace {

class GraphBuilder {
public:
  GraphBuilder(ModuleOp module, std::optional<uint64_t> layer) : module(module), layer(layer) {}
  Graph build();

private:
  bool isDrawn(rt::DispatchOp dispatch);
  void addDispatch(rt::DispatchOp dispatch);
  void addOutsideReaders();
  size_t addPort(const std::string &label, size_t stage);
  size_t indexOf(Value buffer) { return buffers.try_emplace(buffer, buffers.size()).first->second; }

  ModuleOp module;
  std::optional<uint64_t> layer;
  Graph graph;
  llvm::DenseMap<Value, size_t> writers; // node by buffer
  llvm::DenseMap<Value, size_t> buffers; // number by buffer
  llvm::DenseMap<Value, size_t> ports;   // node by buffer that comes from outside
};

} // namespace

/// The layer whose weights or cache a dispatch has, or whose attention it merges ("attention.3.merge").
static std::optional<uint64_t> layerOf(rt::DispatchOp dispatch) {
  StringRef label = dispatch.getLabel().value_or("");
  if (auto parts = splitLayer(label.str()))
    return parts->layer;
  uint64_t number = 0;
  if (label.consume_front("attention.") && !label.consumeInteger(10, number))
    return number;
  for (Value input : dispatch.getInputs())
    if (auto cache = input.getDefiningOp<rt::CacheOp>())
      return cache.getLayer();
  return std::nullopt;
}

static rt::BufferOp bufferOf(Value value) { return value.getDefiningOp<rt::BufferOp>(); }

static std::string sizeText(rt::BufferOp buffer) {
  static constexpr const char *kUnits[] = {" a token", " a row of logits", ""};
  std::string text;
  for (auto [bytes, unit] : llvm::zip(buffer.getSize(), kUnits))
    if (bytes > 0)
      text += (text.empty() ? "" : " + ") + bytesText(static_cast<uint64_t>(bytes)) + unit;
  return text;
}

/// Without what is the same in all labels of a layer.
static std::string shortLabel(std::string label, bool withLayer) {
  auto parts = splitLayer(label);
  if (!parts)
    return label;
  return (withLayer ? std::to_string(parts->layer) + ": " : "") + parts->suffix;
}

bool GraphBuilder::isDrawn(rt::DispatchOp dispatch) { return !layer || layerOf(dispatch) == layer; }

size_t GraphBuilder::addPort(const std::string &label, size_t stage) {
  GraphNode port;
  port.label = label;
  port.stage = stage;
  graph.nodes.push_back(std::move(port));
  return graph.nodes.size() - 1;
}

void GraphBuilder::addDispatch(rt::DispatchOp dispatch) {
  GraphNode node;
  node.label = shortLabel(dispatch.getLabel().value_or(dispatch.getKernel()).str(), !layer);
  node.kernel = dispatch.getKernel().str();
  node.barrier = dispatch.getBarrier();
  if (auto kernel = module.lookupSymbol<rt::KernelOp>(dispatch.getKernel()))
    node.family = kernel.getFamily();
  node.isPrivate = !dispatch.getOutputs().empty() && llvm::all_of(dispatch.getOutputs(), [](Value output) {
    rt::BufferOp buffer = bufferOf(output);
    return buffer && buffer.getSpace() == rt::Space::Private;
  });
  if (!dispatch.getOutputs().empty())
    if (rt::BufferOp buffer = bufferOf(dispatch.getOutputs().front()))
      node.output = sizeText(buffer);

  size_t index = graph.nodes.size();
  bool startsStage = node.barrier != rt::Barrier::Never || graph.stages <= 1;
  for (Value input : dispatch.getInputs())
    if (auto writer = writers.find(input); writer != writers.end())
      startsStage |= graph.nodes[writer->second].stage + 1 == graph.stages;
  node.stage = startsStage ? graph.stages++ : graph.stages - 1;
  graph.nodes.push_back(std::move(node));
  for (Value input : dispatch.getInputs()) {
    rt::BufferOp buffer = bufferOf(input);
    if (!buffer)
      continue; // a weight or a cache
    auto writer = writers.find(input);
    size_t from = writer != writers.end() ? writer->second : 0;
    if (writer == writers.end()) {
      auto [port, isNew] = ports.try_emplace(input, graph.nodes.size());
      if (isNew)
        addPort("from " + buffer.getLabel().str(), 0);
      from = port->second;
    }
    graph.edges.push_back({from, index, indexOf(input)});
  }
  for (Value output : dispatch.getOutputs())
    writers[output] = index;
}

/// A port for each buffer that a dispatch behind the layer reads.
void GraphBuilder::addOutsideReaders() {
  size_t stage = graph.stages;
  llvm::SmallVector<Value> leaving;
  for (rt::ProgramOp program : module.getOps<rt::ProgramOp>())
    for (rt::DispatchOp dispatch : program.getBody().getOps<rt::DispatchOp>())
      for (Value input : dispatch.getInputs())
        if (!isDrawn(dispatch) && writers.contains(input) && !llvm::is_contained(leaving, input)) {
          leaving.push_back(input);
          size_t port = addPort("to " + dispatch.getLabel().value_or(dispatch.getKernel()).str(), stage);
          graph.edges.push_back({writers[input], port, indexOf(input)});
          graph.stages = stage + 1;
        }
}

Graph GraphBuilder::build() {
  graph.stages = 1; // of ports
  for (rt::ProgramOp program : module.getOps<rt::ProgramOp>())
    for (rt::DispatchOp dispatch : program.getBody().getOps<rt::DispatchOp>())
      if (isDrawn(dispatch))
        addDispatch(dispatch);
  if (graph.nodes.empty())
    return {};
  if (layer)
    addOutsideReaders();
  return std::move(graph);
}

Graph nibble::graphOf(ModuleOp scheduled, std::optional<uint64_t> layer) {
  return GraphBuilder(scheduled, layer).build();
}
