//===- SchemaTest.cpp - What JSON schemas accept ----------------------------------------------===//
//
// The expected answers are those of the specification, draft 2020-12, and of the policies that
// SchemaCompiler.h states.
//
//===------------------------------------------------------------------------------------------===//

#include "Matching.h"

using namespace nibble;
using namespace nibble::test;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

struct Case {
  const char *name;
  const char *schema;
  std::vector<const char *> valid, invalid;
};

class SchemaTest : public testing::TestWithParam<Case> {};

TEST_P(SchemaTest, AcceptsExactlyWhatIsValid) {
  auto grammar = schema(GetParam().schema);
  ASSERT_TRUE(grammar) << grammar.error().message;
  for (const char *text : GetParam().valid)
    EXPECT_EQ(fit(*grammar, text), Fit::Whole) << text;
  for (const char *text : GetParam().invalid)
    EXPECT_NE(fit(*grammar, text), Fit::Whole) << text;
}

const Case cases[] = {
    {"Null", R"({"type": "null"})", {"null"}, {"", "nul", "nullx", "0", " null"}},
    {"Boolean", R"({"type": "boolean"})", {"true", "false"}, {"True", "tru", "1"}},
    {"Types", R"({"type": ["null", "integer"]})", {"null", "-7"}, {"1.5", "true", "\"\""}},
    {"Integer",
     R"({"type": "integer"})",
     {"0", "-1", "10", "999999999999999999"},
     {"01", "-0", "1.0", "1e2", "+1", "-"}},
    {"Number",
     R"({"type": "number"})",
     {"0", "-1.5", "1e5", "1E-10", "0.001", "12.25e+3"},
     {".5", "1.", "01", "1e", "NaN", "1e999", "--1"}},
    {"IntegerRange",
     R"({"type": "integer", "minimum": -5, "maximum": 120})",
     {"-5", "-1", "0", "9", "99", "100", "120"},
     {"-6", "-10", "121", "200", "1000"}},
    {"IntegerExclusive",
     R"({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10})",
     {"1", "9"},
     {"0", "10", "-1"}},
    {"IntegerFractionBounds",
     R"({"type": "integer", "minimum": 1.5, "maximum": 3.5})",
     {"2", "3"},
     {"1", "4"}},
    {"MultipleOf",
     R"({"type": "integer", "multipleOf": 7})",
     {"0", "7", "-14", "700"},
     {"1", "8", "70000001"}},
    {"MultipleOfCents",
     R"({"type": "number", "multipleOf": 0.05, "minimum": 0})",
     {"0", "0.05", "1.1", "2.00", "3.150"},
     {"0.01", "1.12", "0.051", "-0.05"}},
    {"NumberRange",
     R"({"type": "number", "minimum": 0.25, "exclusiveMaximum": 10})",
     {"0.25", "0.3", "0.250", "1", "9.999", "5.5"},
     {"0.2", "0.2499", "10", "10.0", "0", "-1", "1e0"}},
    {"NegativeRange",
     R"({"type": "number", "minimum": -2.5, "maximum": -0.5})",
     {"-2.5", "-1", "-0.5", "-0.75", "-2.49"},
     {"-2.51", "-0.4", "0", "1", "-3", "-0"}},
    {"String",
     R"({"type": "string"})",
     {R"("")", R"("a\"b\\c\/d\n\u00e9")", "\"\xf0\x9f\xa6\x99\"", R"("\ud83e\udd99")", R"("\uD83E\uDD99")"},
     {"\"", "\"\n\"", "\"\x01\"", R"("\x")", R"("\ud83e")", R"("\udd99")", "\"\xff\"", "\"\xed\xa0\x80\"",
      "'a'"}},
    {"Length",
     R"({"type": "string", "minLength": 2, "maxLength": 3})",
     {R"("ab")", R"("abc")", R"("\n\u00e9")", "\"\xc3\xa9\xf0\x9f\xa6\x99\"", R"("\ud83e\udd99ab")"},
     {R"("")", R"("a")", R"("abcd")", R"("\ud83e\udd99")", R"("\n\n\n\n")"}},
    {"MinLength", R"({"type": "string", "minLength": 2})", {R"("ab")", R"("abcdefgh")"}, {R"("a")", R"("")"}},
    {"Pattern", R"({"type": "string", "pattern": "^[a-z]+$"})", {R"("abc")"}, {R"("")", R"("aB")", "abc"}},
    {"PatternAnywhere", R"({"type": "string", "pattern": "ab"})", {R"("ab")", R"("xaby")"}, {R"("ba")"}},
    {"PatternOfEscapes",
     R"({"type": "string", "pattern": "^[\\n\"\\\\é]{3}$"})",
     {R"("\n\"\\")", "\"\xc3\xa9\\n\\n\""},
     {R"("nnn")", "\"\n\n\n\""}},
    {"PatternAndLength",
     R"({"type": "string", "pattern": "^a*$", "minLength": 2, "maxLength": 4})",
     {R"("aa")", R"("aaaa")"},
     {R"("a")", R"("aaaaa")", R"("ab")"}},
    {"Date",
     R"({"type": "string", "format": "date"})",
     {R"("2024-02-29")", R"("1999-12-31")"},
     {R"("2023-02-29")", R"("1900-02-29")", R"("2024-13-01")", R"("2024-04-31")"}},
    {"DateTime",
     R"({"type": "string", "format": "date-time"})",
     {R"("2024-01-02T03:04:05Z")", R"("2024-01-02T23:59:59.5+05:30")"},
     {R"("2024-01-02 03:04:05Z")", R"("2024-01-02T24:00:00Z")"}},
    {"Uuid",
     R"({"type": "string", "format": "uuid"})",
     {R"("123e4567-e89b-12d3-a456-426614174000")"},
     {R"("123e4567e89b12d3a456426614174000")"}},
    {"IPv4",
     R"({"type": "string", "format": "ipv4"})",
     {R"("0.0.0.0")", R"("255.249.10.1")"},
     {R"("256.1.1.1")", R"("1.1.1")", R"("01.1.1.1")"}},
    {"Email",
     R"({"type": "string", "format": "email"})",
     {R"("a.b+c@example.org")"},
     {R"("a")", R"("a@")", R"(".a@b.c")"}},
    {"Enum",
     R"({"enum": ["red", "a\"b", 1, null, {"a": [1]}]})",
     {R"("red")", R"("a\"b")", "1", "null", R"({"a":[1]})"},
     {R"("re")", "2", R"("green")"}},
    {"EnumOfType",
     R"({"type": "string", "enum": ["a", 1, "abc"], "maxLength": 2})",
     {R"("a")"},
     {"1", R"("abc")"}},
    {"Const", R"({"const": "x"})", {R"("x")"}, {R"("y")", "x"}},
    {"Object",
     R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}}, "required": ["a"]})",
     {R"({"a":1})", R"({"a": 1, "b": true})", "{\n  \"a\": 1,\n  \"b\": false\n}"},
     {"{}", R"({"b":true})", R"({"a":1,})", R"({"b":true,"a":1})", R"({"a":1,"c":2})", R"({"a":"1"})",
      R"({"a":1,"a":1})", R"({"a" :1})", R"({"a":1 ,"b":true})", R"({"a":  1})"}},
    {"OptionalOnly",
     R"({"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}}})",
     {"{}", "{ }", R"({"a":1})", R"({"b":2})", R"({"a":1,"c":3})", R"({"a":1,"b":2,"c":3})"},
     {R"({"c":3,"a":1})", "{,}", R"({"a":1"c":3})"}},
    {"RequiredLast",
     R"({"properties": {"a": {"const": 1}, "b": {"const": 2}}, "required": ["b"], "type": "object"})",
     {R"({"b":2})", R"({"a":1,"b":2})"},
     {R"({"a":1})", "{}", R"({"a":1,})"}},
    {"Additional",
     R"({"type": "object", "properties": {"ab": {"const": 1}}, "additionalProperties": {"type": "boolean"}})",
     {"{}", R"({"ab":1})", R"({"ab":1,"x":true,"a":false,"abc":true})", R"({"x":true})", R"({"":true})"},
     {R"({"x":1})", R"({"x":true,"ab":1})", R"({"ab":true})", R"({"\u0061b":true})"}},
    {"PatternProperties",
     R"({"type": "object", "patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": false})",
     {"{}", R"({"x-a":1,"x-b":2})"},
     {R"({"a":1})", R"({"x-a":"1"})"}},
    {"PropertyNames",
     R"({"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}, "additionalProperties": {"const": 0}})",
     {"{}", R"({"abc":0})"},
     {R"({"A":0})", R"({"":0})"}},
    {"Counts",
     R"({"type": "object", "additionalProperties": {"const": 0}, "minProperties": 1, "maxProperties": 2})",
     {R"({"a":0})", R"({"a":0,"b":0})"},
     {"{}", R"({"a":0,"b":0,"c":0})"}},
    {"CountsOfDeclared",
     R"({"type": "object", "properties": {"a": {"const": 0}, "b": {"const": 0}, "c": {"const": 0}}, "minProperties": 2, "maxProperties": 2})",
     {R"({"a":0,"b":0})", R"({"a":0,"c":0})", R"({"b":0,"c":0})"},
     {"{}", R"({"a":0})", R"({"a":0,"b":0,"c":0})"}},
    {"Array",
     R"({"type": "array", "items": {"type": "integer"}})",
     {"[]", "[1]", "[1,2]", "[ 1, 2 ]", "[\n1\n]"},
     {"[,]", "[1,]", "[1 2]", "[\"a\"]", "[1"}},
    {"ArrayBounds",
     R"({"type": "array", "items": {"const": 1}, "minItems": 2, "maxItems": 4})",
     {"[1,1]", "[1,1,1,1]"},
     {"[]", "[1]", "[1,1,1,1,1]"}},
    {"ArrayLeast",
     R"({"type": "array", "items": {"const": 1}, "minItems": 3})",
     {"[1,1,1]", "[1,1,1,1,1,1]"},
     {"[1,1]"}},
    {"ArrayNone", R"({"type": "array", "maxItems": 0})", {"[]"}, {"[1]"}},
    {"Prefix",
     R"({"type": "array", "prefixItems": [{"const": 1}, {"type": "string"}], "items": {"type": "boolean"}})",
     {"[]", "[1]", R"([1,"a"])", R"([1,"a",true,false])"},
     {"[2]", "[1,1]", R"([1,"a",1])"}},
    {"Tuple",
     R"({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": false, "minItems": 2})",
     {"[1,2]"},
     {"[1]", "[1,2,3]", "[]"}},
    {"AnyOf",
     R"({"anyOf": [{"type": "integer"}, {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]},
                             {"type": "object", "properties": {"a": {"const": 2}, "b": {"const": 3}}, "required": ["a", "b"]}]})",
     {"5", R"({"a":1})", R"({"a":2,"b":3})"},
     {R"({"a":2})", R"({"a":1,"b":3})", "true"}},
    {"AnyOfBeside",
     R"({"type": "object", "properties": {"a": {}, "b": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]})",
     {R"({"a":1})", R"({"b":[]})", R"({"a":"","b":null})"},
     {"{}", R"({"c":1})"}},
    {"AllOf",
     R"({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                            {"properties": {"a": {"minimum": 3}, "b": {"type": "boolean"}}, "required": ["b"]}]})",
     {R"({"a":3,"b":true})"},
     {R"({"a":2,"b":true})", R"({"a":3})", R"({"a":"x","b":true})"}},
    {"OneOf", R"({"oneOf": [{"type": "integer"}, {"type": "string"}]})", {"1", R"("a")"}, {"true"}},
    {"OneOfTagged",
     R"({"oneOf": [
        {"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}}, "required": ["kind", "x"]},
        {"type": "object", "properties": {"kind": {"const": "b"}, "y": {"type": "boolean"}}, "required": ["kind", "y"]}]})",
     {R"({"kind":"a","x":1})", R"({"kind":"b","y":true})"},
     {R"({"kind":"a","y":true})"}},
    {"Ref", R"({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "integer"}}})", {"1"}, {"true"}},
    {"RefBeside",
     R"({"$ref": "#/$defs/a", "maximum": 3, "$defs": {"a": {"type": "integer"}}})",
     {"3"},
     {"4", "1.5"}},
    {"Recursive",
     R"({"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"]})",
     {R"({"next":null})", R"({"next":{"next":{"next":null}}})"},
     {"{}", R"({"next":{}})"}},
    {"Ambiguous",
     R"({"$defs": {"v": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/v"}},
                                                 {"type": "array", "prefixItems": [{"$ref": "#/$defs/v"}], "items": {"const": 1}, "minItems": 1},
                                                 {"const": 1}]}}, "$ref": "#/$defs/v"})",
     {"1", "[[[[1]]]]", "[[1,1],[]]", "[[[1],1],1]"},
     {"[2]", "[[1]"}},
    {"Nullable", R"({"type": "string", "nullable": true})", {"null", R"("a")"}, {"1"}},
    {"True", "true", {"1", "[{}]", R"({"a":[1,"b",null]})"}, {"", "[1", "]"}},
    {"Empty", "{}", {"1", "[{}]", R"({"a":[1,"b",null]})"}, {"", "[1", "]"}},
    {"FreeObject", R"({"type": "object"})", {"{}", R"({"\u0061":{"b":[1.5,true]}})"}, {"[]", "1"}},
    {"Annotations",
     R"({"title": "t", "description": "d", "default": 1, "examples": [1], "$schema": "x", "$id": "y", "type": "null"})",
     {"null"},
     {"1"}},
};

INSTANTIATE_TEST_SUITE_P(Keywords, SchemaTest, testing::ValuesIn(cases),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(SchemaRefusalTest, NamesKeywordAndPath) {
  EXPECT_THAT(refusal(schema(R"({"properties": {"age": {"multipleOf": 0}}})")),
              StartsWith("$.properties.age.multipleOf: "));
  EXPECT_THAT(refusal(schema(R"({"properties": {"a b": {"not": {}}}})")),
              StartsWith("$.properties[\"a b\"].not: "));
  EXPECT_THAT(refusal(schema(R"({"items": {"if": {}}})")), StartsWith("$.items.if: "));
  EXPECT_THAT(refusal(schema(R"({"uniqueItems": true})")), StartsWith("$.uniqueItems: "));
  EXPECT_THAT(refusal(schema(R"({"anyOf": [{}, {"contains": 1}]})")), StartsWith("$.anyOf[1].contains: "));
  EXPECT_THAT(refusal(schema(R"({"type": "string", "format": "iri"})")), HasSubstr("date-time"));
  EXPECT_THAT(refusal(schema(R"x({"pattern": "(?=a)"})x")), HasSubstr("look-ahead"));
  EXPECT_THAT(refusal(schema(R"({"$ref": "other.json"})")), StartsWith("$.$ref: "));
  EXPECT_THAT(refusal(schema(R"({"$ref": "#/$defs/x"})")), HasSubstr("points to nothing"));
  EXPECT_THAT(refusal(schema(R"({"type": "integre"})")), StartsWith("$.type: "));
  EXPECT_THAT(refusal(schema(R"({"minLength": -1})")), StartsWith("$.minLength: "));
  EXPECT_THAT(refusal(schema(R"({"items": [{}]})")), HasSubstr("prefixItems"));
  EXPECT_THAT(refusal(schema(R"({"properties": {"a": 3}})")), StartsWith("$.properties.a: "));
  EXPECT_THAT(refusal(schema("3")), StartsWith("$: "));
}

TEST(SchemaRefusalTest, SaysWhatHasNoText) {
  for (const char *text : {"false", R"({"type": "integer", "minimum": 3, "maximum": 2})", R"({"enum": []})",
                           R"({"type": "object", "properties": {"a": false}, "required": ["a"]})",
                           R"({"type": "array", "items": false, "minItems": 1})",
                           R"({"type": "string", "minLength": 2, "maxLength": 1})",
                           R"({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]})"})
    EXPECT_THAT(refusal(schema(text)), HasSubstr("no text")) << text;
  EXPECT_THAT(refusal(schema(R"({"$ref": "#"})")), HasSubstr("refers to itself"));
  EXPECT_THAT(refusal(schema(R"({"anyOf": [{"$ref": "#"}]})")), HasSubstr("no text"));
  EXPECT_EQ(fit(schema(R"({"anyOf": [{"$ref": "#"}, {"const": 1}]})"), "2"), Fit::No);
}

TEST(SchemaRefusalTest, OneOfMustBeDisjoint) {
  EXPECT_THAT(refusal(schema(R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})")),
              HasSubstr("both branch 0 and branch 1"));
  EXPECT_THAT(
      refusal(schema(R"({"oneOf": [{"type": "object"}, {"type": "object", "properties": {"a": {}}}]})")),
      StartsWith("$.oneOf: "));
  EXPECT_THAT(refusal(schema(
                  R"({"oneOf": [{"type": "string", "pattern": "a"}, {"type": "string", "pattern": "b"}]})")),
              StartsWith("$.oneOf: "));
  EXPECT_EQ(refusal(schema(
                R"({"oneOf": [{"type": "string", "pattern": "^a"}, {"type": "string", "pattern": "^b"}]})")),
            "accepted");
  EXPECT_EQ(
      refusal(schema(
          R"({"oneOf": [{"type": "number", "maximum": 3}, {"type": "number", "exclusiveMinimum": 3}]})")),
      "accepted");
}

TEST(SchemaTest, LiteralTextAround) {
  auto grammar = Grammar::fromSchema(nlohmann::ordered_json::parse(R"({"type": "boolean"})"), "<tool_call>\n",
                                     "\n</tool_call>");
  EXPECT_EQ(fit(grammar, "<tool_call>\ntrue\n</tool_call>"), Fit::Whole);
  EXPECT_EQ(fit(grammar, "<tool_call>\ntrue"), Fit::Prefix);
  EXPECT_EQ(fit(grammar, "true"), Fit::No);
}

TEST(SchemaTest, AnyOfSeveralGrammars) {
  std::vector<Grammar> ways = {
      *Grammar::fromSchema(
          nlohmann::ordered_json::parse(
              R"({"$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}}}, "$ref": "#/$defs/n"})"),
          "<list>"),
      *Grammar::fromRegex("no|[0-9]{2}"), *Grammar::anyObject()};
  auto either = Grammar::anyOf(ways);
  for (const char *text : {"<list>[]", "<list>[[], [[]]]", "no", "42", "{}", R"({"a": [1, {"b": null}]})"})
    EXPECT_EQ(fit(either, text), Fit::Whole) << text;
  for (const char *text : {"<list>{}", "[]", "no4", "4{", "<list>no", "{}{}", "<list>[1]"})
    EXPECT_EQ(fit(either, text), Fit::No) << text;
  EXPECT_EQ(fit(either, "<l"), Fit::Prefix);
  EXPECT_EQ(fit(Grammar::anyOf(std::span(ways).first(1)), "<list>[]"), Fit::Whole);
  EXPECT_THAT(refusal(Grammar::anyOf({})), HasSubstr("no text"));
}

TEST(SchemaTest, NestingIsBounded) {
  auto grammar = Grammar::anyObject();
  auto nested = [](size_t depth) {
    std::string text;
    for (size_t i = 0; i < depth; ++i)
      text += "{\"a\":";
    return text;
  };
  EXPECT_EQ(fit(grammar, nested(60) + "1" + std::string(60, '}')), Fit::Whole);
  EXPECT_EQ(fit(grammar, nested(60) + "{"), Fit::No);
  EXPECT_EQ(fit(grammar, nested(60) + "\""), Fit::Prefix);
}

/// Where the innermost rule needs three levels more, the text must not run into the bound.
TEST(SchemaTest, TheBoundLeavesRoomToEnd) {
  auto grammar = schema(R"({"$defs": {"n": {"type": "object", "properties": {
      "end": {"type": "array", "items": {"type": "array", "minItems": 1, "items": {"type": "array"}}, "minItems": 1},
      "next": {"$ref": "#/$defs/n"}}, "required": ["end"]}}, "$ref": "#/$defs/n"})");
  std::string text;
  for (int i = 0; i < 57; ++i) {
    ASSERT_NE(fit(grammar, text + "{\"end\":[[[]]]"), Fit::No) << i;
    text += "{\"end\":[[[]]],\"next\":";
  }
  EXPECT_EQ(fit(grammar, text), Fit::No);
  text.erase(text.size() - 8);
  EXPECT_EQ(fit(grammar, text + std::string(57, '}')), Fit::Whole);
}

} // namespace
