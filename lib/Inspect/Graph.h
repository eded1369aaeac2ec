//===- Graph.h - The dispatches of a program and what flows between them ------------*- C++ -*-===//
//
// Read from the module of the phase schedule, which knows what a dispatch reads and what it writes.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "dialects/RT/RT.h"

#include "mlir/IR/BuiltinOps.h"

#include <optional>
#include <string>
#include <vector>

namespace nibble {

/// A dispatch, or a port: a buffer that comes from, or goes to, what is not drawn.
struct GraphNode {
  std::string label;
  std::string kernel;                       // empty: a port
  rt::Family family = rt::Family::Rows;     // of the kernel
  rt::Barrier barrier = rt::Barrier::Never; // before it
  bool isPrivate = false;                   // its outputs are each worker's own in small steps
  std::string output;                       // size of its first output: "512 B a token"
  size_t stage = 0; // dispatches of one stage run at the same time: there is no barrier between them
};

/// A buffer from its writer to a reader: indices of nodes.
struct GraphEdge {
  size_t from = 0, to = 0;
  size_t buffer = 0; // the same for all readers of a buffer
};

struct Graph {
  std::vector<GraphNode> nodes;
  std::vector<GraphEdge> edges;
  size_t stages = 0;
};

/// The dispatches of a layer, with the buffers that enter and leave it as ports; all dispatches without a
/// layer. Empty where the program has no such layer.
Graph graphOf(mlir::ModuleOp scheduled, std::optional<uint64_t> layer);

/// The graph as SVG: a box for each dispatch, coloured by family, stages from top to bottom, barriers as
/// lines between them.
std::string drawGraph(const Graph &graph, const std::string &title);

} // namespace nibble
