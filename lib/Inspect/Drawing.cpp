//===- Drawing.cpp - A graph of dispatches as SVG ---------------------------------------------===//
//
// Stages are rows of boxes, centred. A buffer read in the next stage is a curve; one that is read later runs
// in a lane of its own at the right.
//
//===------------------------------------------------------------------------------------------===//
#include "lib/Inspect/Graph.h"

#include "lib/Inspect/Table.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <map>

using namespace nibble;

// Pixels.
static constexpr int kCharacter = 7, kPadding = 12, kBoxHeight = 42, kPortHeight = 24, kGap = 62, kSpace = 22;
static constexpr int kMargin = 24, kLane = 14, kTop = 96, kSmallestWidth = 480;

namespace {

struct Box {
  int x = 0, y = 0, width = 0, height = 0;
  int readers = 0, drawnReaders = 0; // edges that end here
  int middle() const { return x + width / 2; }
};

class Drawing {
public:
  explicit Drawing(const Graph &graph) : graph(graph), boxes(graph.nodes.size()) {}
  std::string draw(const std::string &title);

private:
  void place();
  void drawLegend();
  void drawBarriers();
  void drawEdge(const GraphEdge &edge);
  void drawBox(const GraphNode &node, const Box &box);
  void text(int x, int y, llvm::StringRef anchor, llvm::StringRef kind, const std::string &content);

  const Graph &graph;
  std::vector<Box> boxes; // by node
  std::vector<int> tops;  // of stages
  std::map<size_t, int> lanes;
  int boxesWidth = kSmallestWidth, height = 0;
  std::string svg;
  llvm::raw_string_ostream stream{svg};
};

} // namespace

static std::string escaped(const std::string &text) {
  std::string result;
  for (char c : printable(text))
    result += c == '<'   ? "&lt;"
              : c == '>' ? "&gt;"
              : c == '&' ? "&amp;"
              : c == '"' ? "&quot;"
                         : std::string(1, c);
  return result;
}

static const char *colourOf(const GraphNode &node) {
  if (node.kernel.empty())
    return "#ffffff";
  switch (node.family) {
  case rt::Family::Embed:
    return "#d9d2e9";
  case rt::Family::Rows:
    return "#fff2cc";
  case rt::Family::Linear:
    return "#cfe2f3";
  case rt::Family::Attention:
    return "#d9ead3";
  case rt::Family::Angles:
    return "#ead1dc";
  case rt::Family::StoreKV:
    return "#eaf4e6";
  case rt::Family::Merge:
    return "#b6d7a8";
  }
  return "#eeeeee";
}

void Drawing::text(int x, int y, llvm::StringRef anchor, llvm::StringRef kind, const std::string &content) {
  stream << "<text x=\"" << x << "\" y=\"" << y << "\" text-anchor=\"" << anchor << "\" class=\"" << kind
         << "\">" << escaped(content) << "</text>\n";
}

void Drawing::place() {
  std::vector<std::vector<size_t>> stages(graph.stages);
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    stages[graph.nodes[i].stage].push_back(i);
  std::vector<int> widths;
  for (const auto &stage : stages) {
    int width = stage.empty() ? 0 : -kSpace;
    for (size_t i : stage) {
      const GraphNode &node = graph.nodes[i];
      size_t characters = std::max(node.label.size(), node.kernel.size());
      boxes[i].width = static_cast<int>(characters) * kCharacter + 2 * kPadding;
      boxes[i].height = node.kernel.empty() ? kPortHeight : kBoxHeight;
      width += boxes[i].width + kSpace;
    }
    widths.push_back(width);
    boxesWidth = std::max(boxesWidth, width);
  }
  int y = kTop;
  for (size_t stage = 0; stage < stages.size(); ++stage) {
    tops.push_back(y);
    int x = kMargin + (boxesWidth - widths[stage]) / 2, tallest = 0;
    for (size_t i : stages[stage]) {
      boxes[i].x = x;
      boxes[i].y = y;
      x += boxes[i].width + kSpace;
      tallest = std::max(tallest, boxes[i].height);
    }
    y += stages[stage].empty() ? 0 : tallest + kGap;
  }
  height = y;
  for (const GraphEdge &edge : graph.edges) {
    ++boxes[edge.to].readers;
    if (graph.nodes[edge.to].stage != graph.nodes[edge.from].stage + 1)
      lanes.try_emplace(edge.buffer, static_cast<int>(lanes.size()));
  }
}

void Drawing::drawLegend() {
  int x = kMargin;
  for (auto family : {rt::Family::Embed, rt::Family::Angles, rt::Family::Rows, rt::Family::Linear,
                      rt::Family::StoreKV, rt::Family::Attention, rt::Family::Merge}) {
    GraphNode sample;
    sample.kernel = "k";
    sample.family = family;
    stream << "<rect x=\"" << x << "\" y=\"44\" width=\"14\" height=\"14\" fill=\"" << colourOf(sample)
           << "\" stroke=\"#666\"/>\n";
    text(x + 20, 56, "start", "small", rt::stringifyFamily(family).str());
    x += 90;
  }
  text(kMargin, 76, "start", "small",
       "line: barrier; dashed line: barrier in steps of more than 16 tokens; dashed box: a small step does "
       "it in every "
       "worker");
}

void Drawing::drawBarriers() {
  std::vector<rt::Barrier> barriers(graph.stages, rt::Barrier::Never);
  for (const GraphNode &node : graph.nodes)
    if (node.barrier > barriers[node.stage])
      barriers[node.stage] = node.barrier;
  for (size_t stage = 0; stage < graph.stages; ++stage)
    if (barriers[stage] != rt::Barrier::Never)
      stream << "<line x1=\"" << kMargin << "\" x2=\"" << kMargin + boxesWidth << "\" y1=\""
             << tops[stage] - 20 << "\" y2=\"" << tops[stage] - 20 << "\" class=\"barrier\""
             << (barriers[stage] == rt::Barrier::Shared ? " stroke-dasharray=\"6 4\"" : "") << "/>\n";
}

void Drawing::drawEdge(const GraphEdge &edge) {
  const Box &from = boxes[edge.from];
  Box &to = boxes[edge.to];
  // Where several edges end in one box, they end side by side.
  int x0 = from.middle(), y0 = from.y + from.height, y1 = to.y - 2;
  int x1 = to.middle() + 12 * to.drawnReaders++ - 6 * (to.readers - 1);
  stream << "<path class=\"edge\" d=\"M" << x0 << " " << y0;
  auto lane = lanes.find(edge.buffer);
  if (graph.nodes[edge.to].stage == graph.nodes[edge.from].stage + 1 || lane == lanes.end()) {
    stream << " C" << x0 << " " << y0 + kGap / 2 << " " << x1 << " " << y1 - kGap / 2 << " " << x1 << " "
           << y1;
  } else {
    int x = kMargin + boxesWidth + kLane * (lane->second + 1);
    stream << " V" << y0 + 20 << " H" << x << " V" << y1 - 10 << " H" << x1 << " V" << y1;
  }
  stream << "\"/>\n";
}

void Drawing::drawBox(const GraphNode &node, const Box &box) {
  stream << "<g><title>" << escaped(node.kernel.empty() ? node.label : node.label + ": " + node.kernel)
         << "</title>\n<rect x=\"" << box.x << "\" y=\"" << box.y << "\" width=\"" << box.width
         << "\" height=\"" << box.height << "\" rx=\"5\" fill=\"" << colourOf(node) << "\" stroke=\"#666\""
         << (node.isPrivate ? " stroke-dasharray=\"4 3\"" : "") << "/>\n";
  text(box.middle(), box.y + 17, "middle", "label", node.label);
  if (!node.kernel.empty())
    text(box.middle(), box.y + 33, "middle", "small", node.kernel);
  if (!node.output.empty())
    text(box.middle() + 6, box.y + box.height + 13, "start", "small", node.output);
  stream << "</g>\n";
}

std::string Drawing::draw(const std::string &title) {
  place();
  int width = 2 * kMargin + boxesWidth + kLane * static_cast<int>(lanes.size() + 1);
  stream << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << width << "\" height=\"" << height
         << "\" viewBox=\"0 0 " << width << " " << height << "\">\n"
         << "<style>text{font-family:monospace;font-size:12px}.small{font-size:10px;fill:#555}"
            ".title{font-size:16px}.edge{fill:none;stroke:#888;marker-end:url(#arrow)}"
            ".barrier{stroke:#cc0000}</style>\n"
         << "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" "
            "markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#888\"/></marker></defs>\n"
         << "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
  text(kMargin, 30, "start", "title", title);
  drawLegend();
  drawBarriers();
  for (const GraphEdge &edge : graph.edges)
    drawEdge(edge);
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    drawBox(graph.nodes[i], boxes[i]);
  stream << "</svg>\n";
  return svg;
}

std::string nibble::drawGraph(const Graph &graph, const std::string &title) {
  return Drawing(graph).draw(title);
}
