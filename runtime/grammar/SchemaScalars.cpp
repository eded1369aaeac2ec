//===- SchemaScalars.cpp - From JSON schemas to grammars: strings and numbers -----------------===//

#include "RegexParser.h"
#include "SchemaCompiler.h"
#include <algorithm>
#include <cmath>

using namespace nibble;
using namespace nibble::grammar;

Result<StringForm> SchemaCompiler::stringForm(const Conjunction &schemas) const {
  StringForm form;
  auto addPattern = [&](std::string pattern) {
    if (std::ranges::find(form.patterns, pattern) == form.patterns.end())
      form.patterns.push_back(std::move(pattern));
  };
  for (const Json *schema : schemas.schemas) {
    NIBBLE_TRY(uint32_t least, source.count(*schema, "minLength", 0));
    NIBBLE_TRY(uint32_t most, source.count(*schema, "maxLength", unbounded));
    form.least = std::max(form.least, least);
    form.most = std::min(form.most, most);
    if (const Json *pattern = SchemaSource::find(*schema, "pattern")) {
      if (auto expression = parseRegex(pattern->get_ref<const std::string &>()); !expression)
        return source.refuse(*schema, "pattern", expression.error().message);
      addPattern(pattern->get<std::string>());
    }
    if (const Json *format = SchemaSource::find(*schema, "format")) {
      auto pattern = formatPattern(format->get_ref<const std::string &>());
      NIBBLE_TRY(uint32_t allowed, types(schemas));
      // Formats of numbers ("int32") say nothing of strings.
      if (!pattern && (allowed & String))
        return source.refuse(*schema, "format",
                             "\"" + format->get<std::string>() +
                                 "\" is not supported; those that are: " + knownFormats());
      if (pattern)
        addPattern(std::string(*pattern));
    }
  }
  return form;
}

Result<NumberForm> SchemaCompiler::numberForm(const Conjunction &schemas, uint32_t types) const {
  NumberForm form;
  form.integer = !(types & Fraction);
  for (const Json *schema : schemas.schemas) {
    for (auto [keyword, upper, exclusive] :
         {std::tuple("minimum", false, false), std::tuple("exclusiveMinimum", false, true),
          std::tuple("maximum", true, false), std::tuple("exclusiveMaximum", true, true)}) {
      const Json *value = SchemaSource::find(*schema, keyword);
      if (!value)
        continue;
      if (!value->is_number())
        return source.refuse(*schema, keyword, "expected a number (the boolean form is of older drafts)");
      double number = value->get<double>();
      auto bound = std::isfinite(number) ? Decimal::parse(value->dump()) : std::nullopt;
      if (!bound && std::abs(number) < 1)
        return source.refuse(*schema, keyword, "has too many digits to be expressed");
      if (!bound) { // beyond all numbers that are generated
        if (upper == (number > 0))
          continue;
        bound = Decimal{number < 0, "1" + std::string(30, '0'), ""};
      }
      (upper ? form.upper : form.lower).push_back({*bound, exclusive});
    }
    if (const Json *step = SchemaSource::find(*schema, "multipleOf")) {
      auto decimal =
          step->is_number() && step->get<double>() > 0 ? Decimal::parse(step->dump()) : std::nullopt;
      if (!decimal || decimal->isZero())
        return source.refuse(*schema, "multipleOf", "expected a number above 0, of at most 40 digits");
      uint32_t digits = 0;
      for (char c : decimal->whole + decimal->fraction)
        digits = std::min(digits * 10 + uint32_t(c - '0'), 1'000'000u);
      if (digits > 2000 || decimal->fraction.size() > 8)
        return source.refuse(*schema, "multipleOf",
                             "is not supported where its digits are more than 2000 or over 8 places");
      form.multiples.push_back(*decimal);
    }
    if (const Json *format = SchemaSource::find(*schema, "format"); format && form.integer) {
      // OpenAPI's integers.
      const std::string &name = format->get_ref<const std::string &>();
      if (name == "int32") {
        form.lower.push_back({*Decimal::parse("-2147483648"), false});
        form.upper.push_back({*Decimal::parse("2147483647"), false});
      }
    }
  }
  return form;
}

Result<DfaPtr> SchemaCompiler::number(const NumberForm &form) {
  std::string key = form.integer ? "i" : "n";
  for (const auto *bounds : {&form.lower, &form.upper}) {
    key += bounds == &form.lower ? " from" : " to";
    for (const NumberForm::Bound &bound : *bounds)
      key += (bound.exclusive ? " x" : " ") + std::string(bound.value.negative ? "-" : "") +
             bound.value.whole + "." + bound.value.fraction;
  }
  for (const Decimal &step : form.multiples)
    key += " *" + step.whole + "." + step.fraction;
  auto [found, isNew] = numbers.emplace(key, nullptr);
  if (isNew) {
    NIBBLE_TRY(auto dfa, compileNumber(form, budget));
    if (dfa)
      found->second = std::make_shared<const Dfa>(std::move(*dfa));
  }
  return found->second;
}
