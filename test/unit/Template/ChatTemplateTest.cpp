//===- ChatTemplateTest.cpp - The template language, its limits and its errors ----------------===//
//
// Expected texts were rendered by jinja2 3.1.6 in transformers' environment with these variables (compare
// test/Integration/template_reference.py). Hundreds more snippets are compared live in test/Integration.
//
//===------------------------------------------------------------------------------------------===//
#include "nibble/runtime/ChatTemplate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <thread>

using nibble::ChatTemplate;
using nibble::RenderOptions;
using nlohmann::ordered_json;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

const ordered_json variables = ordered_json::parse(R"({
  "n": 7, "s": "Grüße, <you> & 'me'", "l": [3, 1, 2], "d": {"b": 2, "a": {"items": [null, true, 1.0]}},
  "people": [{"name": "Ann", "age": 31}, {"name": "bob"}]})");

nibble::Result<std::string> render(std::string source, RenderOptions options = {}) {
  NIBBLE_TRY(ChatTemplate chatTemplate, ChatTemplate::parse(std::move(source), "t.jinja"));
  return chatTemplate.render(variables, options);
}

std::string errorOf(std::string source, RenderOptions options = {}) {
  auto result = render(std::move(source), std::move(options));
  return result ? "no error: " + *result : result.error().message;
}

struct Case {
  const char *name, *source, *expected;
};

class ChatTemplateLanguage : public testing::TestWithParam<Case> {};

TEST_P(ChatTemplateLanguage, EqualsJinja) {
  RenderOptions options;
  options.now = std::tm{};
  options.now->tm_year = 125; // 2025-03-07 09:05:02, a Friday
  options.now->tm_mon = 2;
  options.now->tm_mday = 7;
  options.now->tm_hour = 9;
  options.now->tm_min = 5;
  options.now->tm_sec = 2;
  auto result = render(GetParam().source, options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, GetParam().expected) << GetParam().name;
}

// clang-format off
const Case cases[] = {
    {"Values print as Python prints them",
     R"({{ [none, true, 1.0, 'it\'s', "a\"b", {'k': (1,)}] }} {{ 1e16 }} {{ 0.1 + 0.2 }})",
     R"([None, True, 1.0, "it's", 'a"b', {'k': (1,)}] 1e+16 0.30000000000000004)"},
    {"Division, floor and modulo",
     R"({{ 7 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7.5 % -2 }} {{ 2 ** 10 }})",
     R"(3.5 -4 2 -0.5 1024)"},
    {"Filters bind tighter than arithmetic, signs tighter still",
     R"({{ -1|abs }} {{ 2 ** -1|abs }} {{ 1 ~ 2 * 3 }})",
     R"(1 2 16)"},
    {"Comparisons chain",
     R"({{ 1 < 2 < 3 }} {{ 3 > 2 == true }} {{ 'a' in s }} {{ 4 not in l }})",
     R"(True False False True)"},
    {"Methods hide keys, subscripts do not",
     R"({{ d.a.items is callable }} {{ d.a['items'] }} {{ d.get('zz', 'none') }})",
     R"(True [None, True, 1.0] none)"},
    {"Slices count characters",
     R"({{ s[2:5] }} {{ s[::-1] }} {{ l[-2:] }} {{ l[::2] }})",
     R"(üße 'em' & >uoy< ,eßürG [1, 2] [3, 2])"},
    {"Undefined values are empty until they are used",
     R"([{{ nope }}{{ d.nope }}{{ l[9] }}] {{ nope is defined }} {{ nope|length }} {{ nope|default(5) }})",
     R"([] False 0 5)"},
    {"Loops know their place",
     R"({% for x in l %}{{ loop.index }}/{{ loop.length }}:{{ x }}{{ ',' if not loop.last }}{{ loop.previtem }} {% endfor %})",
     R"(1/3:3, 2/3:1,3 3/3:21 )"},
    {"Loops filter, break, continue and have an else",
     R"({% for x in l if x > 1 %}{{ x }}{% else %}-{% endfor %}{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}{% for x in [] %}{% else %}empty{% endfor %})",
     R"(323empty)"},
    {"Only namespaces leave a loop",
     R"({% set a = 0 %}{% set ns = namespace(a=0) %}{% for x in l %}{% set a = x %}{% set ns.a = ns.a + x %}{% endfor %}{{ a }} {{ ns.a }})",
     R"(0 6)"},
    {"Macros take defaults and keywords",
     R"({% macro f(a, b=2) %}[{{ a }}{{ b }}]{% endmacro %}{{ f(1) }}{{ f(b=4, a=3) }}{{ f() }})",
     R"([12][34][2])"},
    {"Macros recurse",
     R"({% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }})",
     R"(54321)"},
    {"Call blocks pass their body",
     R"({% macro each(items) %}{% for i in items %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(x) each(l) %}({{ x }}){% endcall %})",
     R"((3)(1)(2))"},
    {"Set blocks, filters on them, unpacking",
     R"({% set x | upper %}b{{ n }}{% endset %}{{ x }}{% set p, q = 1, [2] %}{{ p }}{{ q }})",
     R"(B71[2])"},
    {"Blocks trim the newline after and the blanks before",
     R"(a
  {% if n %}
  b
  {% endif %}
c
)",
     R"(a
  b
c)"},
    {"Signs trim more or less",
     R"(a  {%- if n -%}  b  {%- endif +%}
c {#- gone -#}  d)",
     R"(ab
cd)"},
    {"Raw text stays",
     R"({% raw %}{{ n }} {% if %}{% endraw %}!)",
     R"({{ n }} {% if %}!)"},
    {"tojson is json.dumps without escapes of HTML",
     R"({{ s|tojson }} {{ d|tojson }} {{ d|tojson(indent=2) }} {{ l|tojson(separators=(',', ':')) }})",
     R"("Grüße, <you> & 'me'" {"b": 2, "a": {"items": [null, true, 1.0]}} {
  "b": 2,
  "a": {
    "items": [
      null,
      true,
      1.0
    ]
  }
} [3,1,2])"},
    {"Attributes of lists of dicts",
     R"({{ people|selectattr('age')|map(attribute='name')|join }} {{ people|map(attribute='age', default=0)|sum }} {{ people|sort(attribute='name', reverse=true)|map(attribute='name')|list }})",
     R"(Ann 31 ['bob', 'Ann'])"},
    {"Text filters",
     R"({{ s|upper }} {{ 'a
b'|indent(2) }} {{ ' x '|trim }} {{ s|replace('e', 'E') }} {{ 'foo bar'|title }})",
     R"(GRÜSSE, <YOU> & 'ME' a
  b x GrüßE, <you> & 'mE' Foo Bar)"},
    {"Numbers from text",
     R"({{ '42'|int + 1 }} {{ 'x'|int(9) }} {{ '4.5'|float }} {{ 2.5|round }} {{ 2.675|round(2) }})",
     R"(43 9 4.5 2.0 2.67)"},
    {"String methods",
     R"({{ 'a<t>b<t>c'.split('<t>')[-1] }} {{ '  x '.strip() }}| {{ s.startswith('Gr') }} {{ 'xyx'.rstrip('x') }} {{ '{}-{}'.format(1, 'b') }} {{ '%03d' % 5 }})",
     R"(c x| True xy 1-b 005)"},
    {"Generation blocks render",
     R"({% generation %}{{ n }}{% endgeneration %})",
     R"(7)"},
    {"The clock stands where it was set",
     R"({{ strftime_now('%d %b %Y, %A %H:%M') }})",
     R"(07 Mar 2025, Friday 09:05)"},
};
// clang-format on

INSTANTIATE_TEST_SUITE_P(Cases, ChatTemplateLanguage, testing::ValuesIn(cases));

TEST(ChatTemplateErrors, NameTheTemplateAndTheLine) {
  EXPECT_EQ(errorOf("a\n\n{{ n.x.y }}"), "t.jinja: line 3: 'int object' has no attribute 'x'");
  EXPECT_THAT(errorOf("{% if n %}\n{{ n }"), StartsWith("t.jinja: line 2: "));
  EXPECT_EQ(errorOf("{% if n %}\nx"),
            "t.jinja: line 2: the template ends before the 'endif' of the block of line 1");
  EXPECT_EQ(errorOf("{{ nope() }}"), "t.jinja: line 1: 'nope' is undefined");
  EXPECT_EQ(errorOf("\n{{ raise_exception('Roles must alternate') }}"),
            "t.jinja: line 2: the template refuses these messages: Roles must alternate");
  EXPECT_THAT(errorOf("{% include 'x' %}"), HasSubstr("a chat template is one text"));
  EXPECT_THAT(errorOf("{{ n|nosuch }}"), HasSubstr("no filter named 'nosuch'"));
  EXPECT_THAT(errorOf("{{ n is nosuch }}"), HasSubstr("no test named 'nosuch'"));
}

TEST(ChatTemplateErrors, VariablesMustBeAnObject) {
  auto chatTemplate = ChatTemplate::parse("x", "t.jinja");
  ASSERT_TRUE(chatTemplate);
  EXPECT_THAT(chatTemplate->render(ordered_json::array()).error().message,
              HasSubstr("must be a JSON object"));
}

TEST(ChatTemplateSandbox, ValuesDoNotChange) {
  EXPECT_THAT(errorOf("{{ l.append(4) }}"),
              HasSubstr("access to attribute 'append' of 'list' object is unsafe"));
  EXPECT_THAT(errorOf("{{ d.update({}) }}"), HasSubstr("unsafe"));
  EXPECT_THAT(errorOf("{{ s.__class__.mro() }}"), HasSubstr("unsafe"));
}

TEST(ChatTemplateLimits, Steps) {
  RenderOptions options;
  options.limits.steps = 100'000;
  EXPECT_THAT(
      errorOf("{% for a in range(1000) %}{% for b in range(1000) %}{{ a }}{% endfor %}{% endfor %}", options),
      HasSubstr("more than 100000 steps"));
  // The same work with a generous limit is fine.
  EXPECT_TRUE(
      render("{% for a in range(10) %}{% for b in range(10) %}{{ a }}{% endfor %}{% endfor %}", options));
}

TEST(ChatTemplateLimits, RangesAreBoundedAsInTheSandbox) {
  EXPECT_TRUE(render("{{ range(100000)|length }}"));
  EXPECT_THAT(errorOf("{{ range(100001)|length }}"), HasSubstr("100000"));
  EXPECT_THAT(errorOf("{{ range(-(10 ** 18), 10 ** 18)|length }}"), HasSubstr("100000"));
}

TEST(ChatTemplateLimits, MemoryOfStringsAndLists) {
  EXPECT_THAT(errorOf("{{ ('x' * 10 ** 12)|length }}"), HasSubstr("bytes of memory"));
  EXPECT_THAT(errorOf("{{ ([0] * 10 ** 10)|length }}"), HasSubstr("bytes of memory"));
  EXPECT_THAT(errorOf("{{ ('x' * 10 ** 30)|length }}"), HasSubstr("bytes of memory"));
  RenderOptions options;
  options.limits.memoryBytes = 1 << 20;
  EXPECT_THAT(
      errorOf(
          "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
          options),
      HasSubstr("bytes of memory"));
  EXPECT_THAT(errorOf("{% set a = 'x' * 1000 %}{{ a.replace('x', a)|length }}{{ a.replace('', a)|length }}"
                      "{{ a.replace('x', a).replace('x', a)|length }}",
                      options),
              HasSubstr("bytes of memory"));
  EXPECT_THAT(errorOf("{{ 'a'.center(10 ** 9) }}", options), HasSubstr("bytes of memory"));
  EXPECT_THAT(errorOf("{{ '%999999999d' % 5 }}", options), HasSubstr("width"));
}

TEST(ChatTemplateLimits, MemoryOfDroppedValuesIsFreed) {
  RenderOptions options;
  options.limits.memoryBytes = 1 << 20;
  // 100 strings of 64 KiB, one alive at a time.
  auto result = render("{% for i in range(100) %}{% set x = 'x' * 65536 %}{% endfor %}done", options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(*result, "done");
}

TEST(ChatTemplateLimits, Output) {
  RenderOptions options;
  options.limits.outputBytes = 1000;
  EXPECT_THAT(errorOf("{% for i in range(1001) %}x{% endfor %}", options), HasSubstr("more than 1000 bytes"));
  EXPECT_TRUE(render("{% for i in range(1000) %}x{% endfor %}", options));
}

TEST(ChatTemplateLimits, Recursion) {
  EXPECT_THAT(errorOf("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), HasSubstr("nested"));
  EXPECT_THAT(errorOf("{% macro f(g) %}{{ g(g) }}{% endmacro %}{{ f(f) }}"), HasSubstr("nested"));
  EXPECT_THAT(errorOf("{% set ns = namespace(a=1) %}{% set ns.a = ns %}{{ ns }}"), HasSubstr("nested"));
  EXPECT_THAT(
      errorOf("{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}"),
      HasSubstr("nested"));
  EXPECT_THAT(
      errorOf(
          "{% set ns = namespace(x=1) %}{% for i in range(9999) %}{% for j in [ns.x] %}{% set ns.x = loop %}"
          "{% endfor %}{% endfor %}"),
      HasSubstr("nested"));
}

TEST(ChatTemplateLimits, DeepSources) {
  std::string parentheses = "{{ " + std::string(100'000, '(') + "1" + std::string(100'000, ')') + " }}";
  EXPECT_THAT(errorOf(parentheses), HasSubstr("nested"));
  EXPECT_THAT(errorOf("{{ " + std::string(100'000, '[')), HasSubstr("nested"));
  EXPECT_THAT(errorOf("{{ " + std::string(100'000, '-') + "1 }}"), HasSubstr("too many signs"));
  std::string chain = "{{ 1", nots = "{{ ", ifs, attributes = "{{ n", filters = "{{ n", conditionals = "{{ 1";
  for (int i = 0; i < 100'000; ++i) {
    chain += "+1";
    nots += "not ";
    ifs += "{% if 1 %}";
    attributes += ".x";
    filters += "|abs";
    conditionals += " if 1 else 2";
  }
  for (const std::string &source :
       {chain + " }}", nots + "1 }}", ifs, attributes + " }}", filters + " }}", conditionals + " }}"})
    EXPECT_THAT(errorOf(source), testing::AnyOf(HasSubstr("nested"), HasSubstr("too many")))
        << source.substr(0, 30);
}

TEST(ChatTemplateLimits, DeepVariables) {
  ordered_json deep = 1;
  for (int i = 0; i < 10'000; ++i)
    deep = ordered_json::array({std::move(deep)});
  auto chatTemplate = ChatTemplate::parse("{{ deep }}", "t.jinja");
  ASSERT_TRUE(chatTemplate);
  ordered_json object;
  object["deep"] = std::move(deep);
  auto result = chatTemplate->render(object);
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("nested more than"));
}

TEST(ChatTemplateLimits, SharedStructureIsNotWalkedForever) {
  // 2^60 leaves in 60 small lists: printing, comparing and tojson must give up.
  std::string build =
      "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}";
  for (const char *use : {"{{ ns.x }}", "{{ ns.x == ns.x[0] }}{{ [ns.x] == [ns.x] }}", "{{ ns.x|tojson }}"})
    EXPECT_THAT(errorOf(build + use), testing::AnyOf(HasSubstr("steps"), HasSubstr("memory"))) << use;
}

TEST(ChatTemplateLimits, CyclesAreFreed) {
  // Leaks here fail under AddressSanitizer.
  auto result =
      render("{% set ns = namespace() %}{% set ns.self = ns %}"
             "{% macro f(x) %}{% macro g() %}{{ x }}{% endmacro %}{% set ns.g = g %}{{ g() }}{% endmacro "
             "%}{{ f(f) }}"
             "{% for i in l %}{% set me = loop %}{{ loop.changed(loop) }}{% set ns.l = loop %}{% endfor %}");
  ASSERT_TRUE(result) << result.error().message;
}

TEST(ChatTemplate, IsSharedByThreads) {
  auto chatTemplate = ChatTemplate::parse("{% for x in l %}{{ x }}{{ s|upper }}{% endfor %}", "t.jinja");
  ASSERT_TRUE(chatTemplate);
  std::string expected = *chatTemplate->render(variables);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int j = 0; j < 100; ++j)
        EXPECT_EQ(*chatTemplate->render(variables), expected);
    });
  for (std::thread &thread : threads)
    thread.join();
}

TEST(ChatTemplate, KnowsWhichVariablesItReads) {
  auto chatTemplate = ChatTemplate::parse("{% for m in messages %}{{ m.tools }}{% endfor %}", "t.jinja");
  ASSERT_TRUE(chatTemplate);
  EXPECT_TRUE(chatTemplate->mentions("messages"));
  EXPECT_FALSE(chatTemplate->mentions("tools"));
}

} // namespace
