//===- SchemaArrays.cpp - From JSON schemas to grammars: arrays -------------------------------===//

#include "SchemaCompiler.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::grammar;

struct SchemaCompiler::ArrayForm {
  std::vector<Conjunction> first; // of elements by place
  Conjunction rest;               // of all others
  uint32_t least = 0, most = unbounded;
};

Result<SchemaCompiler::ArrayForm> SchemaCompiler::arrayForm(const Conjunction &schemas) {
  ArrayForm form;
  size_t places = 0;
  for (const Json *schema : schemas.schemas) {
    NIBBLE_TRY(uint32_t least, source.count(*schema, "minItems", 0));
    NIBBLE_TRY(uint32_t most, source.count(*schema, "maxItems", unbounded));
    form.least = std::max(form.least, least);
    form.most = std::min(form.most, most);
    if (const Json *prefix = SchemaSource::find(*schema, "prefixItems"))
      places = std::max(places, prefix->size());
  }
  auto element = [&](size_t place) -> Result<Conjunction> {
    Conjunction value;
    for (const Json *schema : schemas.schemas) {
      const Json *prefix = SchemaSource::find(*schema, "prefixItems");
      const Json *items = SchemaSource::find(*schema, "items");
      if (prefix && place < prefix->size()) {
        NIBBLE_CHECK(source.add(value, (*prefix)[place]));
      } else if (items) {
        NIBBLE_CHECK(source.add(value, *items));
      }
    }
    return value;
  };
  for (size_t i = 0; i < places; ++i) {
    NIBBLE_TRY(Conjunction value, element(i));
    form.first.push_back(std::move(value));
  }
  NIBBLE_TRY(form.rest, element(places));
  return form;
}

Result<void> SchemaCompiler::array(const Waiting &rule) {
  NIBBLE_TRY(ArrayForm form, arrayForm(rule.schemas));
  uint32_t end = builder.state();
  builder.final(end);
  uint32_t before = builder.state(); // an element, or the end of an empty array
  builder.leafEdge(builder.startOf(rule.rule), openArray, before);
  if (form.least == 0)
    builder.leafEdge(before, emptyArray, end);
  if (form.most == 0 || form.least > form.most)
    return {};
  auto places = static_cast<uint32_t>(form.first.size());
  uint32_t done = 0, behind = 0; // elements so far; the state behind them
  for (uint32_t i = 0; i < std::max(places, 1u) && i < form.most; ++i) {
    if (done > 0) {
      if (done >= form.least)
        builder.leafEdge(behind, closeArray, end);
      before = builder.state();
      builder.leafEdge(behind, comma, before);
    }
    behind = builder.state();
    NIBBLE_CHECK(attach(before, i < places ? form.first[i] : form.rest, behind));
    ++done;
  }
  uint32_t least = form.least > done ? form.least - done : 0;
  uint32_t most = form.most == unbounded ? unbounded : form.most - done;
  uint32_t last = builder.state();
  if (most == 0) {
    builder.free(behind, last);
  } else {
    uint32_t more = builder.rule(false), element = builder.state(), behindElement = builder.state();
    builder.leafEdge(builder.startOf(more), comma, element);
    NIBBLE_CHECK(attach(element, form.rest, behindElement));
    builder.final(behindElement);
    builder.repeat(behind, more, least, most, last);
  }
  builder.leafEdge(last, closeArray, end);
  return {};
}
