//===- Trie.cpp - Texts of tokens, sorted into a tree of bytes --------------------------------===//

#include "Trie.h"
#include <algorithm>
#include <string>

using namespace nibble::grammar;

void Trie::build(std::vector<Text> &texts) {
  std::ranges::sort(texts, [](const Text &a, const Text &b) {
    int order = a.text.compare(b.text);
    return order != 0 ? order < 0 : a.token != b.token ? a.token < b.token : a.characters < b.characters;
  });
  nodes.clear();
  entries.clear();
  entries.reserve(texts.size());
  nodes.push_back({0, 0, 0, 0});
  std::vector<uint32_t> open{0}; // the nodes from the root to the last text's
  std::string_view last;
  auto close = [&](size_t depth) {
    while (open.size() > depth + 1) {
      nodes[open.back()].skip = static_cast<uint32_t>(nodes.size());
      open.pop_back();
    }
  };
  for (const Text &text : texts) {
    auto common = static_cast<size_t>(std::ranges::mismatch(last, text.text).in1 - last.begin());
    close(common);
    for (size_t depth = common; depth < text.text.size(); ++depth) {
      open.push_back(static_cast<uint32_t>(nodes.size()));
      nodes.push_back({0, static_cast<uint32_t>(entries.size()), static_cast<uint16_t>(depth + 1),
                       static_cast<uint8_t>(text.text[depth])});
    }
    entries.push_back({text.token, text.characters});
    last = text.text;
  }
  close(0);
  nodes[0].skip = static_cast<uint32_t>(nodes.size());
  nodes.push_back({0, static_cast<uint32_t>(entries.size()), 0, 0});
}

uint16_t Trie::deepest() const {
  return nodes.empty() ? uint16_t(0) : std::ranges::max_element(nodes, {}, &Node::depth)->depth;
}
