//===- TargetsTest.cpp - What the targets promise ---------------------------------------------===//
#include "Emulator.h"
#include "KernelImage.h"

#include "lib/Codegen/CPU/TileModel.h"
#include "nibble/runtime/Artifact.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

#include <gmock/gmock.h>

using namespace nibble;
using namespace nibble::test;
using testing::HasSubstr;

namespace {

TEST(CPUTargets, ALaterTargetNeedsAllOfAnEarlierOneOfItsKind) {
  auto needs = [](const char *name) { return findCPUTarget(name)->needs; };
  for (auto [more, less] :
       {std::pair("avx-vnni", "x86-64-v3"), std::pair("avx512", "x86-64-v3"),
        std::pair("avx512-vnni", "avx512"), std::pair("avx512-bf16", "avx512-vnni"),
        std::pair("amx", "avx512-bf16"), std::pair("dotprod", "neon"), std::pair("i8mm", "dotprod")}) {
    EXPECT_THAT(needs(more), testing::IsSupersetOf(needs(less))) << more;
    EXPECT_GT(needs(more).size(), needs(less).size()) << "the runtime takes the variant with most features";
  }
}

/// The names that the compiler asks for are those that the runtime finds.
TEST(CPUTargets, TheRuntimeSeesWhatTheCompilerSees) {
  std::vector<std::string> features = cpuFeatures();
  for (const CPUTarget &target : cpuTargets()) {
    bool found = std::ranges::all_of(target.needs, [&](const std::string &feature) {
      return std::ranges::count(features, normalFeature(feature)) == 1;
    });
    if (target.instructions == cpuTargets().front().instructions)
      EXPECT_EQ(found, runsHere(target)) << target.name;
  }
}

TEST(CPUTargets, Tunings) {
  EXPECT_EQ(findCPUTarget("avx512-vnni")->tuning.name, "generic");
  Result<CPUTarget> target = findCPUTarget("avx512-vnni", "cascadelake");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->tune, "cascadelake");
  EXPECT_EQ(target->units().dots, 2);
  EXPECT_FALSE(target->tuning.freeBroadcasts);
  EXPECT_EQ(findCPUTarget("avx512-vnni", "znver4")->units().dots, 1);
  EXPECT_EQ(findCPUTarget("x86-64-v3", "znver4")->units().dots, 2) << "vectors of 256 bits";
  EXPECT_THAT(findCPUTarget("neon", "znver4").error().message,
              HasSubstr("unknown kind of CPU 'znver4' to tune neon for; expected one of generic"));
  EXPECT_THAT(findCPUTarget("pentium").error().message, HasSubstr("expected native or one of x86-64,"));
}

TEST(CPUTargets, ATuningIsSpelled) {
  const char *spelling = "sapphirerapids,tile-tokens=4,near-prefetch=1152,far-prefetch=0";
  Result<CPUTarget> target = findCPUTarget("avx512-vnni", spelling);
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_EQ(target->tune, "sapphirerapids");
  EXPECT_EQ(target->tuning.tileTokens, 4);
  EXPECT_EQ(target->tuning.nearPrefetch, 1152);
  EXPECT_EQ(target->tuning.farPrefetch, 0);
  EXPECT_EQ(target->tuning.spelling(), spelling);
  // What the kind of CPU has anyway is not said.
  EXPECT_EQ(findCPUTarget("avx512-vnni", "znver4,item-bytes=16384")->tuning.spelling(), "znver4");
  for (const CPUTuning &tuning : cpuTunings())
    EXPECT_EQ(tuning.spelling(), tuning.name);
}

/// Whatever is measured can be said.
TEST(CPUTargets, EveryCandidateIsSpelled) {
  for (const TuningField &field : tuningFields())
    for (int64_t value : field.candidates) {
      CPUTuning tuning = cpuTunings().front();
      tuning.*field.member = value;
      Result<CPUTarget> target = findCPUTarget("avx512-vnni", tuning.spelling());
      ASSERT_TRUE(target) << target.error().message;
      EXPECT_EQ(target->tuning.*field.member, value) << field.name;
    }
}

TEST(CPUTargets, WhatATuningCannotSay) {
  auto problem = [](const char *spelling) { return findCPUTarget("avx512", spelling).error().message; };
  EXPECT_THAT(problem("znver4,tile=4"),
              HasSubstr("a tuning has no field 'tile'; expected lone-near-prefetch,"));
  EXPECT_THAT(problem("znver4,"), HasSubstr("a tuning has no field ''"));
  EXPECT_THAT(problem("znver4,chains"), HasSubstr("'chains': expected chains= and a number from 1 to 2"));
  for (const char *value : {"", "0", "3", "-1", "2x", "x", " 2", "99999999999999999999"})
    EXPECT_THAT(problem(("znver4,chains=" + std::string(value)).c_str()), HasSubstr("from 1 to 2")) << value;
  EXPECT_THAT(problem("znver4,near-prefetch=100"),
              HasSubstr("'near-prefetch=100': expected near-prefetch= and a multiple of 64 from 0 to 65536"));
  EXPECT_THAT(problem("znver4,chains=1,chains=2"), HasSubstr("'chains=2': the field stands twice"));
  EXPECT_THAT(problem(",chains=1"), HasSubstr("unknown kind of CPU '' to tune avx512 for"));
}

TEST(CPUTargets, HowManyMatrixTilesShareWeightsOfBF16) {
  EXPECT_EQ(matrixTilesOfPairs(*findCPUTarget("avx512-bf16", "sapphirerapids")), 0) << "has no such unit";
  CPUTarget target = *findCPUTarget("amx", "sapphirerapids");
  EXPECT_EQ(matrixTilesOfPairs(target), 4) << "16 cycles each, hence 64 where a sum is ready after 52";
  target.tuning.tileLatency = 16;
  target.tuning.nearPrefetch = target.tuning.farPrefetch = 0;
  EXPECT_EQ(matrixTilesOfPairs(target), 1) << "neither latency nor loads bind";
  target.tuning.wide.loads = 1;
  EXPECT_EQ(matrixTilesOfPairs(target), 4) << "16 loads of weights are shared";
  target.tuning.tileRows = 1.0 / 16;
  EXPECT_EQ(matrixTilesOfPairs(target), 0) << "two multiply-adds a cycle do 32 columns in 16 cycles too";
}

class EveryTarget : public TargetTest {};

/// A kernel of bytes, and one that converts f16 and divides by a norm: what libraries are usually called for.
constexpr const char *kKernels = R"(
rt.kernel @norm(%x: tensor<?x40xf32>, %g: tensor<40xf32>) -> !lowbit.rows<tokens x 40, int8, bias = [8]>
    attributes {family = #rt.family<rows>} {
  %y = lowbit.quantize_rows %x norm(%g : tensor<40xf32>) {eps = 1.0e-5 : f32}
    : tensor<?x40xf32> -> !lowbit.rows<tokens x 40, int8, bias = [8]>
  rt.yield %y : !lowbit.rows<tokens x 40, int8, bias = [8]>
}
rt.kernel @half(%x: !lowbit.rows<tokens x 40, f32>, %w: !lowbit.packed<32x40, <f16>, panel>) -> tensor<?x32xf32>
    attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !lowbit.rows<tokens x 40, f32>, (!lowbit.packed<32x40, <f16>, panel>) -> tensor<?x32xf32> {
  ^bb0(%a: f32):
    %e = math.tanh %a : f32
    lowbit.yield %e : f32
  }
  rt.yield %y : tensor<?x32xf32>
}
)";

/// That linking refuses whatever is undefined is what makes every other test of kernels prove it.
TEST_P(EveryTarget, KernelsCallNothing) {
  EXPECT_TRUE(compileText(kKernels, GetParam().target));
  auto callMemset = [](llvm::Module &module) {
    llvm::IRBuilder<> b(&*module.getFunction("norm")->getEntryBlock().getFirstInsertionPt());
    b.CreateCall(module.getOrInsertFunction("memset", llvm::FunctionType::get(b.getVoidTy(), false)));
  };
  Result<CompiledImage> refused = compileText(kKernels, GetParam().target, callMemset);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("undefined symbol: memset"));
}

class EmulatedTarget : public TargetTest {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EmulatedTarget);

TEST_P(EmulatedTarget, TheCPUHasWhatItsTargetNeedsAndNoMore) {
  KernelImage image(kKernels, GetParam());
  ASSERT_TRUE(image.valid());
  const std::vector<std::string> &features = image.emulatedBy()->features();
  EXPECT_THAT(features, testing::IsSupersetOf(GetParam().target.needs));
  for (const CPUTarget &target : cpuTargets())
    if (target.instructions == GetParam().target.instructions &&
        target.needs.size() > GetParam().target.needs.size())
      EXPECT_THAT(features, testing::Not(testing::IsSupersetOf(target.needs))) << target.name;
}

INSTANTIATE_TEST_SUITE_P(Targets, EveryTarget, testing::ValuesIn(testTargets()), targetName);
INSTANTIATE_TEST_SUITE_P(Targets, EmulatedTarget, testing::ValuesIn(testTargets([](const TestTarget &target) {
                           return target.machine == Machine::Emulated;
                         })),
                         targetName);

} // namespace
