//===- SchemaObjects.cpp - From JSON schemas to grammars: objects -----------------------------===//

#include "SchemaCompiler.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::grammar;

struct SchemaCompiler::ObjectForm {
  struct Property {
    std::string name;
    Conjunction value;
    bool required;
  };
  /// Properties of other names: all that an automaton of JSON strings accepts.
  struct Others {
    Leaf names;
    Conjunction value;
  };
  std::vector<Property> properties;
  std::vector<Others> others;
  uint32_t least = 0, most = unbounded; // properties
  bool impossible = false;
};

std::set<std::string> nibble::grammar::requiredNames(const Conjunction &schemas) {
  std::set<std::string> names;
  for (const Json *schema : schemas.schemas)
    if (const Json *list = SchemaSource::find(*schema, "required"))
      for (const Json &name : *list)
        names.insert(name.get<std::string>());
  return names;
}

static std::string quoted(const std::string &name) {
  return Json(name).dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// What the value of a property must satisfy.
Result<Conjunction> SchemaCompiler::property(const Conjunction &schemas, const std::string &name) {
  Conjunction value;
  for (const Json *schema : schemas.schemas) {
    bool declared = false;
    if (const Json *properties = SchemaSource::find(*schema, "properties"))
      if (auto own = properties->find(name); own != properties->end()) {
        declared = true;
        NIBBLE_CHECK(source.add(value, *own));
      }
    if (const Json *patterns = SchemaSource::find(*schema, "patternProperties"))
      for (auto &[pattern, own] : patterns->items()) {
        auto dfa = strings.pattern(pattern);
        if (!dfa)
          return failure(source.path(own) + ": " + dfa.error().message);
        if (!*dfa || !(*dfa)->matches(quoted(name)))
          continue;
        declared = true;
        NIBBLE_CHECK(source.add(value, own));
      }
    if (const Json *additional = SchemaSource::find(*schema, "additionalProperties");
        additional && !declared) {
      NIBBLE_CHECK(source.add(value, *additional));
    }
  }
  return value;
}

/// The names that propertyNames allows, or null for all.
Result<DfaPtr> SchemaCompiler::nameForm(const Conjunction &schemas) {
  Conjunction names;
  const Json *last = nullptr;
  for (const Json *schema : schemas.schemas)
    if (const Json *own = SchemaSource::find(*schema, "propertyNames")) {
      NIBBLE_CHECK(source.add(names, *own));
      last = own;
    }
  if (!last)
    return DfaPtr();
  if (!names.groups.empty())
    return source.refuse(*last, "", "anyOf and oneOf are not supported in propertyNames");
  NIBBLE_TRY(uint32_t allowed, types(names));
  NIBBLE_TRY(auto list, literals(names));
  NIBBLE_TRY(StringForm form, stringForm(names));
  if (names.impossible || !(allowed & String))
    form = {.least = 1, .most = 0, .patterns = {}};
  std::vector<std::string> texts;
  if (list)
    for (const Json &name : *list) {
      NIBBLE_TRY(bool good, allows(names, allowed, name));
      if (name.is_string() && good)
        texts.push_back(name.get<std::string>());
    }
  NIBBLE_TRY(DfaPtr dfa, list && !texts.empty() ? strings.names(texts) : strings.canonical(form));
  if (!dfa || (list && texts.empty())) // only {} is left; no automaton accepts nothing, so take an odd name
    return source.refuse(*last, "", "allows no name at all; write \"maxProperties\": 0");
  return dfa;
}

Result<void> SchemaCompiler::declaredProperties(const Conjunction &schemas, ObjectForm &form) {
  std::set<std::string> required = requiredNames(schemas), seen;
  std::vector<std::string> names;
  auto add = [&](const std::string &name) {
    if (seen.insert(name).second)
      names.push_back(name);
  };
  for (const Json *schema : schemas.schemas)
    if (const Json *properties = SchemaSource::find(*schema, "properties"))
      for (auto &[name, own] : properties->items())
        add(name);
  for (const Json *schema : schemas.schemas)
    if (const Json *list = SchemaSource::find(*schema, "required"))
      for (const Json &name : *list)
        add(name.get<std::string>());
  NIBBLE_TRY(DfaPtr allowed, nameForm(schemas));
  for (const std::string &name : names) {
    if (!isUTF8(name))
      return source.refuse(*schemas.schemas[0], "", "the name of a property is not valid UTF-8");
    NIBBLE_CHECK(budget.spend(100 * schemas.schemas.size()));
    NIBBLE_TRY(Conjunction value, property(schemas, name));
    if (allowed && !allowed->matches(quoted(name)))
      value.impossible = true;
    form.properties.push_back({name, std::move(value), required.contains(name)});
  }
  return {};
}

/// additionalProperties and patternProperties.
Result<void> SchemaCompiler::otherProperties(const Conjunction &schemas, ObjectForm &form) {
  bool declares = false, open = false;
  std::map<std::string, const Json *> patterns;
  Conjunction additional;
  for (const Json *schema : schemas.schemas) {
    declares |= SchemaSource::find(*schema, "properties") != nullptr;
    if (const Json *own = SchemaSource::find(*schema, "additionalProperties")) {
      open = true;
      NIBBLE_CHECK(source.add(additional, *own));
    }
    if (const Json *own = SchemaSource::find(*schema, "patternProperties"))
      for (auto &[pattern, value] : own->items())
        patterns.emplace(pattern, &value);
  }
  std::vector<std::string> declared;
  for (const ObjectForm::Property &property : form.properties)
    declared.push_back(property.name);
  NIBBLE_TRY(DfaPtr allowed, nameForm(schemas));

  auto offer = [&](DfaPtr names, const Conjunction &value) -> Result<void> {
    if (value.impossible)
      return {};
    if (!names && !allowed && declared.empty() && patterns.empty()) {
      form.others.push_back({Leaf{anyString()}, value});
      return {};
    }
    if (!names) {
      NIBBLE_TRY(names, strings.canonical({}));
    }
    auto keep = [&](Result<std::optional<Dfa>> left) -> Result<void> {
      NIBBLE_TRY(auto dfa, std::move(left));
      names = dfa ? std::make_shared<const Dfa>(std::move(*dfa)) : nullptr;
      return {};
    };
    if (allowed) {
      NIBBLE_CHECK(keep(intersect(*names, *allowed, budget)));
    }
    if (names && !declared.empty()) {
      NIBBLE_TRY(DfaPtr taken, strings.names(declared));
      NIBBLE_CHECK(keep(subtract(*names, *taken, budget)));
    }
    if (names)
      form.others.push_back({Leaf{names}, value});
    return {};
  };

  DfaPtr unmatched; // names that no pattern matches; null: all
  if (!patterns.empty()) {
    NIBBLE_TRY(unmatched, strings.canonical({}));
  }
  std::vector<DfaPtr> earlier;
  for (auto &[pattern, place] : patterns) {
    auto names = strings.pattern(pattern);
    if (!names)
      return failure(source.path(*place) + ": " + names.error().message);
    if (!*names)
      continue;
    for (const DfaPtr &other : earlier) {
      NIBBLE_TRY(auto both, intersect(**names, *other, budget));
      if (both)
        return failure(source.path(*place) + ": is not supported where a name may match two of the patterns");
    }
    earlier.push_back(*names);
    Conjunction value;
    for (const Json *schema : schemas.schemas) {
      const Json *own = SchemaSource::find(*schema, "patternProperties");
      auto found = own ? own->find(pattern) : Json::const_iterator();
      const Json *rest = SchemaSource::find(*schema, "additionalProperties");
      if (own && found != own->end()) {
        NIBBLE_CHECK(source.add(value, *found));
      } else if (rest) {
        NIBBLE_CHECK(source.add(value, *rest));
      }
    }
    NIBBLE_CHECK(offer(*names, value));
    if (unmatched) {
      NIBBLE_TRY(auto left, subtract(*unmatched, **names, budget));
      unmatched = left ? std::make_shared<const Dfa>(std::move(*left)) : nullptr;
    }
  }
  if ((patterns.empty() || unmatched) && (open || (!declares && patterns.empty())))
    return offer(unmatched, additional);
  return {};
}

Result<SchemaCompiler::ObjectForm> SchemaCompiler::objectForm(const Conjunction &schemas) {
  ObjectForm form;
  for (const Json *schema : schemas.schemas) {
    NIBBLE_TRY(uint32_t least, source.count(*schema, "minProperties", 0));
    NIBBLE_TRY(uint32_t most, source.count(*schema, "maxProperties", unbounded));
    form.least = std::max(form.least, least);
    form.most = std::min(form.most, most);
  }
  NIBBLE_CHECK(declaredProperties(schemas, form));
  NIBBLE_CHECK(otherProperties(schemas, form));
  auto required =
      static_cast<uint32_t>(std::ranges::count_if(form.properties, &ObjectForm::Property::required));
  if (required >= form.least)
    form.least = 0;
  if (form.least > 1 && !form.others.empty())
    for (const Json *schema : schemas.schemas)
      if (SchemaSource::find(*schema, "minProperties"))
        return source.refuse(*schema, "minProperties",
                             "above 1 is not supported where names are free: they might be repeated");
  return form;
}

/// The graph of one object: where the text stands is the next property that may come, and how many there
/// were where that matters.
class SchemaCompiler::ObjectGraph {
public:
  ObjectGraph(SchemaCompiler &compiler, const ObjectForm &form)
      : compiler(compiler), builder(compiler.builder), form(form),
        counted(form.least > 0 || form.most != unbounded) {
    requiredFrom.assign(form.properties.size() + 1, false);
    for (size_t i = form.properties.size(); i-- > 0;)
      requiredFrom[i] = requiredFrom[i + 1] || form.properties[i].required;
  }

  Result<void> build(uint32_t rule) {
    end = builder.state();
    builder.final(end);
    builder.leafEdge(builder.startOf(rule), compiler.openObject, state({Before, 0, 0}));
    while (!work.empty()) {
      NIBBLE_CHECK(builder.check());
      Place place = work.back();
      work.pop_back();
      NIBBLE_CHECK(edges(place, states[place]));
    }
    return {};
  }

private:
  enum Phase { Before, Comma, After }; // any property; behind a comma; behind a property
  struct Place {
    Phase phase;
    size_t next;
    uint32_t count;
    auto operator<=>(const Place &) const = default;
  };

  SchemaCompiler &compiler;
  AutomatonBuilder &builder;
  const ObjectForm &form;
  bool counted;
  uint32_t end = 0;
  std::vector<bool> requiredFrom; // [properties + 1]
  std::map<Place, uint32_t> states;
  std::vector<Place> work;
  std::map<size_t, uint32_t> names; // leaves of declared properties

  uint32_t state(const Place &place) {
    auto [found, isNew] = states.emplace(place, 0);
    if (isNew) {
      found->second = builder.state();
      work.push_back(place);
    }
    return found->second;
  }

  uint32_t oneMore(uint32_t count) const {
    if (!counted)
      return 0;
    return form.most == unbounded ? std::min(count + 1, form.least) : count + 1;
  }

  Result<void> edges(const Place &place, uint32_t from) {
    size_t declared = form.properties.size();
    bool full = counted && place.count >= form.most;
    bool mayEnd = !requiredFrom[place.next] && place.count >= form.least;
    if (place.phase == After) {
      if (!full && (place.next < declared || !form.others.empty()))
        builder.leafEdge(from, compiler.comma, state({Comma, place.next, place.count}));
      if (mayEnd)
        builder.leafEdge(from, compiler.closeObject, end);
      return {};
    }
    if (place.next < declared) {
      const ObjectForm::Property &property = form.properties[place.next];
      if (!full && !property.value.impossible) {
        NIBBLE_TRY(uint32_t name, nameLeaf(place.next));
        NIBBLE_CHECK(
            member(from, name, property.value, state({After, place.next + 1, oneMore(place.count)})));
      }
      if (!property.required)
        builder.free(from, state({place.phase, place.next + 1, place.count}));
      return {};
    }
    if (place.phase == Before && mayEnd)
      builder.leafEdge(from, compiler.emptyObject, end);
    if (!full)
      for (const ObjectForm::Others &others : form.others) {
        uint32_t behind = state({After, declared, oneMore(place.count)});
        NIBBLE_CHECK(member(from, builder.leaf(others.names), others.value, behind));
      }
    return {};
  }

  Result<void> member(uint32_t from, uint32_t name, const Conjunction &value, uint32_t to) {
    uint32_t behindName = builder.state(), behindColon = builder.state();
    builder.leafEdge(from, name, behindName);
    builder.leafEdge(behindName, compiler.colon, behindColon);
    return compiler.attach(behindColon, value, to);
  }

  Result<uint32_t> nameLeaf(size_t property) {
    auto [found, isNew] = names.emplace(property, 0);
    if (isNew) {
      NIBBLE_TRY(DfaPtr dfa, compiler.strings.names({form.properties[property].name}));
      found->second = builder.leaf({dfa});
    }
    return found->second;
  }
};

Result<void> SchemaCompiler::object(const Waiting &rule) {
  NIBBLE_TRY(ObjectForm form, objectForm(rule.schemas));
  return ObjectGraph(*this, form).build(rule.rule);
}
