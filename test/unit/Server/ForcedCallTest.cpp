//===- ForcedCallTest.cpp - The form of calls that must be made -------------------------------===//
#include "runtime/server/ForcedCall.h"
#include <gtest/gtest.h>

using namespace nibble::server;
using nlohmann::ordered_json;
using Kind = ToolChoice::Kind;

namespace {

const std::vector<Tool> tools = {
    {"f",
     ordered_json::parse(
         R"({"$schema": "x", "type": "object", "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"$ref": "#"}},
                                  "$defs": {"A": {"enum": [{"$ref": "#/no"}]}}})")},
    {"g", ordered_json::object()},
};

TEST(ForcedCall, Hermes) {
  auto form = forcedForm(ToolStyle::Hermes, tools, {Kind::Named, "f"}, true);
  EXPECT_EQ(form.prompt, "<tool_call>\n");
  EXPECT_EQ(form.after, "\n</tool_call>");
  EXPECT_EQ(form.schema,
            ordered_json::parse(R"({"type": "object", "properties": {"name": {"const": "f"}, "arguments":
      {"type": "object", "properties": {"a": {"$ref": "#/properties/arguments/$defs/A"}, "b": {"$ref": "#/properties/arguments"}},
       "$defs": {"A": {"enum": [{"$ref": "#/no"}]}}}},
      "required": ["name", "arguments"], "additionalProperties": false})"));
}

TEST(ForcedCall, OneOfSeveral) {
  auto form = forcedForm(ToolStyle::Llama3, tools, {Kind::Required, ""}, true);
  EXPECT_EQ(form.prompt, "");
  EXPECT_EQ(form.after, "");
  const auto &either = form.schema["anyOf"];
  ASSERT_EQ(either.size(), 2u);
  EXPECT_EQ(either[0]["properties"]["parameters"]["properties"]["a"]["$ref"],
            "#/anyOf/0/properties/parameters/$defs/A");
  EXPECT_EQ(
      either[1],
      ordered_json::parse(
          R"({"type": "object", "properties": {"name": {"const": "g"}, "parameters": {"type": "object"}},
      "required": ["name", "parameters"], "additionalProperties": false})"));
}

TEST(ForcedCall, Mistral) {
  auto form = forcedForm(ToolStyle::Mistral, tools, {Kind::Required, ""}, true);
  EXPECT_EQ(form.prompt, "[TOOL_CALLS]");
  EXPECT_EQ(form.schema["minItems"], 1);
  EXPECT_FALSE(form.schema.contains("maxItems"));
  EXPECT_EQ(form.schema["items"]["anyOf"][0]["properties"]["arguments"]["properties"]["b"]["$ref"],
            "#/items/anyOf/0/properties/arguments");
  EXPECT_EQ(forcedForm(ToolStyle::Mistral, tools, {Kind::Required, ""}, false).schema["maxItems"], 1);

  form = forcedForm(ToolStyle::MistralArgs, tools, {Kind::Named, "f"}, true);
  EXPECT_EQ(form.prompt, "[TOOL_CALLS]f[ARGS]");
  EXPECT_EQ(form.schema["properties"]["a"]["$ref"], "#/$defs/A");
  EXPECT_EQ(forcedForm(ToolStyle::MistralArgs, tools, {Kind::Required, ""}, true).schema["type"], "array");
}

} // namespace
