//===- PrecisionPlanTest.cpp - Plan files: reading, writing, messages -------------------------===//
#include "nibble/Quantize/PrecisionPlan.h"

#include <gmock/gmock.h>

using namespace nibble;
using testing::AllOf;
using testing::HasSubstr;

namespace {

TEST(PrecisionPlan, Reads) {
  auto plan = parsePlan(R"({"version": 1, "tensors": {
      "model.layers.10.mlp.up_proj.weight": {"format": "int8-channel", "activations": "f32"},
      "model.layers.2.mlp.up_proj.weight": {"format": "int4"},
      "lm_head.weight": {"format": "bf16"}}})",
                        "plan.json");
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_EQ(plan->tensors.size(), 3u);
  TensorPrecision ten{{Element::Int8, 0, Zero::None}, Activations::F32};
  TensorPrecision two{{Element::Int4, 32, Zero::None}, Activations::Int8};
  TensorPrecision head{{Element::BF16, 0, Zero::None}, Activations::F32};
  EXPECT_EQ(plan->tensors.at("model.layers.10.mlp.up_proj.weight"), ten);
  EXPECT_EQ(plan->tensors.at("model.layers.2.mlp.up_proj.weight"), two);
  EXPECT_EQ(plan->tensors.at("lm_head.weight"), head);
}

TEST(PrecisionPlan, WritesInNaturalOrder) {
  PrecisionPlan plan;
  TensorPrecision int4{{Element::Int4, 32, Zero::None}, Activations::Int8};
  for (const char *name : {"layers.10.q", "layers.2.q", "layers.2.k", "head", "layers.02.q", "a \"b\""})
    plan.tensors[name] = int4;
  plan.tensors["head"] = {{Element::F16, 0, Zero::None}, Activations::F32};
  std::string text = printPlan(plan);
  EXPECT_EQ(text, R"({
  "version": 1,
  "tensors": {
    "a \"b\"": {"format": "int4-g32", "activations": "int8"},
    "head": {"format": "f16", "activations": "f32"},
    "layers.2.k": {"format": "int4-g32", "activations": "int8"},
    "layers.02.q": {"format": "int4-g32", "activations": "int8"},
    "layers.2.q": {"format": "int4-g32", "activations": "int8"},
    "layers.10.q": {"format": "int4-g32", "activations": "int8"}
  }
}
)");
  EXPECT_EQ(*parsePlan(text, "plan.json"), plan);
  EXPECT_EQ(*parsePlan(printPlan({}), "plan.json"), PrecisionPlan{});
}

TEST(PrecisionPlan, HasTunings) {
  PrecisionPlan plan;
  plan.tensors["w"] = {{Element::Int4, 32, Zero::None}, Activations::Int8};
  plan.tuning = {{"x86-64-v3", "generic"}, {"avx512-vnni", "znver4,tile-tokens=4"}};
  std::string text = printPlan(plan);
  EXPECT_EQ(text, R"({
  "version": 1,
  "tuning": {
    "avx512-vnni": "znver4,tile-tokens=4",
    "x86-64-v3": "generic"
  },
  "tensors": {
    "w": {"format": "int4-g32", "activations": "int8"}
  }
}
)");
  EXPECT_EQ(*parsePlan(text, "plan.json"), plan);
}

TEST(PrecisionPlan, NaturalOrder) {
  NaturalLess less;
  std::vector<std::string_view> ordered = {"",      "a",      "a.0",  "a.1",   "a.2.b",
                                           "a.2.c", "a.02.d", "a.10", "a.10b", "a.99999999999999999999",
                                           "a.b",   "b"};
  for (size_t i = 0; i < ordered.size(); ++i)
    for (size_t j = 0; j < ordered.size(); ++j)
      EXPECT_EQ(less(ordered[i], ordered[j]), i < j) << ordered[i] << " " << ordered[j];
}

std::string messageOf(std::string_view json) {
  auto plan = parsePlan(json, "my.json");
  return plan ? "no error" : plan.error().message;
}

TEST(PrecisionPlan, Messages) {
  EXPECT_THAT(messageOf("{"), HasSubstr("my.json: not valid JSON"));
  EXPECT_THAT(messageOf(""), HasSubstr("my.json: not valid JSON"));
  EXPECT_THAT(messageOf("[]"), HasSubstr("my.json: expected an object, found array"));
  EXPECT_THAT(messageOf("{}"), HasSubstr("\"version\" is missing"));
  EXPECT_THAT(messageOf(R"({"version": 2, "tensors": {}})"), HasSubstr("\"version\" is 2"));
  EXPECT_THAT(messageOf(R"({"version": 1})"), HasSubstr("\"tensors\""));
  EXPECT_THAT(messageOf(R"({"version": 1, "tensors": []})"), HasSubstr("\"tensors\""));
  EXPECT_THAT(messageOf(R"({"version": 1, "tensor": {}})"),
              AllOf(HasSubstr("unknown key \"tensor\""), HasSubstr("\"version\" or \"tensors\"")));
  EXPECT_THAT(messageOf(R"({"version": 1, "tensors": {"w": {"fmt": "int4"}}})"),
              AllOf(HasSubstr("my.json: tensor \"w\""), HasSubstr("unknown key \"fmt\"")));
  EXPECT_THAT(messageOf(R"({"version": 1, "tensors": {"w": "int4"}})"), HasSubstr("found string"));
  EXPECT_THAT(messageOf(R"({"version": 1, "tensors": {"w": {}}})"), HasSubstr("\"format\" is missing"));
  EXPECT_THAT(messageOf(R"({"version": 1, "tensors": {"w": {"format": 4}}})"),
              HasSubstr("\"format\" is number"));
  EXPECT_THAT(messageOf(R"({"version": 1, "tensors": {"w": {"format": "int3"}}})"),
              AllOf(HasSubstr("tensor \"w\""), HasSubstr("\"int3\" is not a format"), HasSubstr("int8")));
  EXPECT_THAT(messageOf(R"({"version": 1, "tensors": {"w": {"format": "int4", "activations": "int6"}}})"),
              AllOf(HasSubstr("tensor \"w\""), HasSubstr("\"int6\""), HasSubstr("f32, bf16, int8 or int16")));
  EXPECT_THAT(messageOf(R"({"version": 1, "tensors": {"w": {"format": "f16", "activations": "int8"}}})"),
              HasSubstr("need an integer weight"));
  EXPECT_THAT(messageOf(R"({"version": 1, "tensors": {"w": {"format": "int4"}, "w": {"format": "int8"}}})"),
              HasSubstr("\"w\" stands twice"));
  EXPECT_THAT(messageOf(R"({"version": 1, "version": 1, "tensors": {}})"),
              HasSubstr("\"version\" stands twice"));
  EXPECT_THAT(messageOf(R"({"version": 1, "tensors": {}, "tuning": []})"),
              HasSubstr("my.json: expected \"tuning\" to be an object of target names"));
  EXPECT_THAT(messageOf(R"({"version": 1, "tensors": {}, "tuning": {"avx512": {}}})"),
              HasSubstr("my.json: tuning of \"avx512\": found object, expected a string such as"));
  EXPECT_THAT(messageOf(std::string(100000, '[') + std::string(100000, ']')), HasSubstr("nested"));
  std::string objects;
  for (int i = 0; i < 50000; ++i)
    objects += "{\"a\":";
  EXPECT_THAT(messageOf(objects + "1" + std::string(50000, '}')), HasSubstr("nested"));
  EXPECT_THAT(messageOf("{\"version\": 1, \"tensors\": {\"\xff\": 1}}"), HasSubstr("not valid JSON"));
}

TEST(PrecisionPlan, UnknownTensor) {
  std::vector<std::string> known = {"model.layers.0.mlp.up_proj.weight",
                                    "model.layers.0.mlp.down_proj.weight"};
  PrecisionPlan plan;
  plan.tensors["model.layers.0.mlp.up_proj.weight"] = {};
  EXPECT_TRUE(checkPlanTensors(plan, known, "my.json"));
  plan.tensors["layers.0.mlp.down_proj.weight"] = {};
  auto result = checkPlanTensors(plan, known, "my.json");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message,
              AllOf(HasSubstr("my.json: tensor \"layers.0.mlp.down_proj.weight\""),
                    HasSubstr("did you mean \"model.layers.0.mlp.down_proj.weight\"?")));
  EXPECT_FALSE(checkPlanTensors(plan, {}, "my.json"));
}

TEST(PrecisionPlan, Files) {
  std::filesystem::path folder = testing::TempDir(), file = folder / "nibble-plan-test.json";
  PrecisionPlan plan;
  plan.tensors["w"] = {{Element::Int4, 64, Zero::Minimum}, Activations::F32};
  ASSERT_TRUE(writePlan(plan, file));
  EXPECT_EQ(*readPlan(file), plan);
  std::filesystem::remove(file);
  EXPECT_THAT(readPlan(file).error().message, HasSubstr("No such file"));
  EXPECT_THAT(readPlan(folder).error().message, HasSubstr("directory"));
  EXPECT_FALSE(writePlan(plan, folder / "missing-folder" / "plan.json"));
  if (std::filesystem::exists("/dev/full")) {
    EXPECT_THAT(writePlan(plan, "/dev/full").error().message, HasSubstr("No space left"));
    EXPECT_TRUE(std::filesystem::exists("/dev/full"));
  }
}

TEST(Activations, Spellings) {
  const std::pair<const char *, Activations> known[] = {{"f32", Activations::F32},
                                                        {"bf16", Activations::BF16},
                                                        {"int8", Activations::Int8},
                                                        {"int16", Activations::Int16}};
  for (auto [spelling, activations] : known) {
    EXPECT_EQ(*parseActivations(spelling), activations);
    EXPECT_EQ(activationsSpelling(activations), spelling);
  }
  for (const char *other : {"int4", "f16", "", "INT8"})
    EXPECT_THAT(parseActivations(other).error().message, HasSubstr("f32, bf16, int8 or int16"));
}

} // namespace
