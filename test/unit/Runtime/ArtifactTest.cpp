//===- ArtifactTest.cpp - Writing artifacts, and refusing damaged ones ------------------------===//

#include "nibble/runtime/Artifact.h"
#include "ToyModel.h"
#include "nibble/Artifact/Writer.h"
#include "nibble/runtime/ArtifactFormat.h"
#include "nibble/runtime/Engine.h"
#include <csignal>
#include <cstring>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace nibble;
using nlohmann::json;
using testing::HasSubstr;

namespace fs = std::filesystem;

/// The names in a fresh folder of its own, to see that nothing is left behind.
static std::string freshFolder(const std::string &name) {
  std::string folder = toy::temporaryPath(name);
  fs::create_directories(folder);
  return folder;
}

static size_t filesIn(const std::string &folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(SHA256Test, KnownDigests) {
  // FIPS 180-4's examples.
  auto hash = [](std::string_view text) { return hexDigits(SHA256::of(std::as_bytes(std::span(text)))); };
  EXPECT_EQ(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  SHA256Digest digest;
  EXPECT_TRUE(parseHexDigits(hash("abc"), digest));
  EXPECT_EQ(digest[0], 0xba);
  EXPECT_FALSE(parseHexDigits("xy", digest));
}

TEST(ArtifactWriterTest, ReadsBackWhatWasWritten) {
  std::string path = toy::temporaryPath("written");
  std::string executable = toy::temporaryPath("front");
  toy::writeFile(executable, std::string(5000, 'x'));
  auto written = toy::write(path, executable, {{"templates", "{}"}, {"ir", "module {}"}});
  ASSERT_TRUE(written) << written.error().message;

  struct stat status;
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0755u);
  std::string bytes = toy::readFile(path);
  EXPECT_EQ(bytes.substr(0, 5000), std::string(5000, 'x'));

  auto artifact = Artifact::open(path);
  ASSERT_TRUE(artifact) << artifact.error().message;
  const Manifest &manifest = artifact->manifest();
  EXPECT_EQ(manifest.model.architecture, "toy");
  EXPECT_THAT(manifest.model.eosTokens, testing::ElementsAre(2, 59));
  EXPECT_EQ(manifest.generation.topK, 5u);
  EXPECT_FLOAT_EQ(manifest.generation.temperature, 0.5f);
  EXPECT_FALSE(manifest.generation.sample);
  ASSERT_EQ(manifest.segments.size(), 4u);
  EXPECT_EQ(manifest.segments[0].offset % kWeightAlignment, 0u);
  EXPECT_EQ(manifest.segments[1].offset % kSegmentAlignment, 0u);
  auto ir = artifact->segment("ir");
  EXPECT_EQ(std::string(reinterpret_cast<const char *>(ir.data()), ir.size()), "module {}");
  EXPECT_TRUE(artifact->segment("nothing").empty());
  EXPECT_TRUE(artifact->verify());
  EXPECT_TRUE(Artifact::hasFooter(path));
  EXPECT_FALSE(Artifact::hasFooter(executable));
}

TEST(ArtifactWriterTest, SameInputSameBytes) {
  ASSERT_TRUE(toy::write(toy::temporaryPath("one")));
  ASSERT_TRUE(toy::write(toy::temporaryPath("two")));
  EXPECT_EQ(toy::readFile(toy::temporaryPath("one")), toy::readFile(toy::temporaryPath("two")));
}

TEST(ArtifactWriterTest, LargeSegmentsStreamInPieces) {
  std::string path = toy::temporaryPath("large");
  auto writer = ArtifactWriter::create(path, "");
  ASSERT_TRUE(writer);
  std::vector<std::byte> block(7u << 20); // does not divide the writer's pieces
  for (size_t i = 0; i < block.size(); ++i)
    block[i] = static_cast<std::byte>(i * 31 >> 8);
  SHA256 expected;
  auto index = writer->addSegment({"weights", "", kWeightAlignment},
                                  [&](const ArtifactWriter::Sink &sink) -> Result<void> {
                                    for (int i = 0; i < 5; ++i) {
                                      expected.update(block);
                                      NIBBLE_CHECK(sink(block));
                                    }
                                    return {};
                                  });
  ASSERT_TRUE(index);
  EXPECT_EQ(writer->segmentSize(*index), 5 * block.size());
  json manifest = toy::manifest();
  manifest["variants"] = json::array();
  ASSERT_TRUE(writer->finish(manifest));
  auto artifact = Artifact::open(path);
  ASSERT_TRUE(artifact) << artifact.error().message;
  EXPECT_EQ(artifact->manifest().segments[0].hash, expected.finish());
  EXPECT_TRUE(artifact->verify());
  auto bytes = artifact->segment("weights");
  EXPECT_EQ(std::memcmp(bytes.data() + 4 * block.size(), block.data(), block.size()), 0);
}

TEST(ArtifactWriterTest, FailuresSayWhyAndLeaveNothing) {
  std::string folder = freshFolder("failures");
  auto expectFailure = [&](const std::string &path, const std::string &runtime, const char *message) {
    auto written = toy::write(path, runtime);
    ASSERT_FALSE(written) << message;
    EXPECT_THAT(written.error().message, HasSubstr(message));
    EXPECT_EQ(filesIn(folder), 0u);
  };
  expectFailure(folder, "", "is a directory");
  expectFailure(folder + "/missing/file", "", "its folder does not exist");
  expectFailure("/dev/null", "", "is a pipe, device or socket");
  expectFailure(folder + "/file", folder + "/no-such-runtime", "no-such-runtime");
  expectFailure("", "", "expected the name of a file");
  ASSERT_TRUE(toy::write(toy::temporaryPath("not-a-runtime")));
  expectFailure(folder + "/file", toy::temporaryPath("not-a-runtime"),
                "is an artifact; expected the runtime alone");
  {
    auto writer = ArtifactWriter::create(folder + "/file", "");
    ASSERT_TRUE(writer);
    EXPECT_FALSE(writer->addSegment({"weights", "", 100}, std::span<const std::byte>()));
    auto failed =
        writer->addSegment({"weights", "", 4096}, [](const ArtifactWriter::Sink &sink) -> Result<void> {
          std::byte byte{};
          NIBBLE_CHECK(sink({&byte, 1}));
          return failure("the tensor is gone");
        });
    ASSERT_FALSE(failed);
    EXPECT_THAT(failed.error().message, HasSubstr("the tensor is gone"));
    EXPECT_FALSE(writer->finish(toy::manifest()));
  }
  EXPECT_EQ(filesIn(folder), 0u);
}

TEST(ArtifactWriterTest, FullDiskLeavesTheOldFile) {
  std::string folder = freshFolder("full");
  toy::writeFile(folder + "/file", "old");
  // A limit on file sizes makes write() fail as a full disk does.
  auto oldHandler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old, limit;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  limit = old;
  limit.rlim_cur = 8192;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  auto written = toy::write(folder + "/file");
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, oldHandler);
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, HasSubstr("cannot write it"));
  EXPECT_EQ(filesIn(folder), 1u);
  EXPECT_EQ(toy::readFile(folder + "/file"), "old");
  ASSERT_TRUE(toy::write(folder + "/file"));
  EXPECT_TRUE(Artifact::open(folder + "/file"));
}

//===- Damaged files
//--------------------------------------------------------------------------------------===//

/// Opens a file and, where it opens, runs a step: it must be refused with a reason or work.
static bool refusedOrWorks(const std::string &path) {
  auto artifact = Artifact::open(path);
  if (!artifact) {
    EXPECT_FALSE(artifact.error().message.empty());
    EXPECT_THAT(artifact.error().message, HasSubstr(path));
    return false;
  }
  EngineOptions options;
  options.threads = 1;
  auto engine = Engine::create(*artifact, options);
  if (!engine) {
    EXPECT_FALSE(engine.error().message.empty());
    return false;
  }
  auto sequence = engine->createSequence();
  std::vector<int32_t> tokens = toy::tokens(20, 1);
  StepInput input = {*sequence, tokens, 1};
  EXPECT_TRUE(engine->step({&input, 1}));
  return true;
}

TEST(DamagedArtifactTest, Truncations) {
  std::string path = toy::temporaryPath("cut");
  ASSERT_TRUE(toy::write(path));
  std::string bytes = toy::readFile(path);
  ASSERT_TRUE(refusedOrWorks(path));
  std::mt19937_64 random(1);
  for (int i = 0; i < 200; ++i) {
    uint64_t size = i < 4 ? static_cast<uint64_t>(i) * 63 : random() % bytes.size();
    toy::writeFile(path, bytes.substr(0, size));
    EXPECT_FALSE(refusedOrWorks(path)) << "cut to " << size << " bytes";
  }
}

TEST(DamagedArtifactTest, ByteFlips) {
  std::string path = toy::temporaryPath("flipped");
  ASSERT_TRUE(toy::write(path, "", {{"tokenizer", std::string(300, 't')}}));
  const std::string bytes = toy::readFile(path);
  auto intact = Artifact::open(path);
  ASSERT_TRUE(intact);
  std::vector<SegmentInfo> segments = intact->manifest().segments;
  uint64_t weightsEnd = segments[0].offset + segments[0].size;
  std::mt19937_64 random(2);
  for (int i = 0; i < 200; ++i) {
    // Padding fills most of the file: half of the flips go to where something is.
    uint64_t at = i % 2 ? random() % bytes.size() : weightsEnd - random() % segments[0].size - 1;
    if (i % 4 == 0)
      at = bytes.size() - 1 - random() % 6000;
    std::string altered = bytes;
    altered[at] = static_cast<char>(altered[at] ^ (1 + random() % 255));
    toy::writeFile(path, altered);
    bool works = refusedOrWorks(path);
    for (const SegmentInfo &segment : segments) {
      bool inside = at >= segment.offset && at < segment.offset + segment.size;
      if (inside && segment.name != "weights")
        EXPECT_FALSE(works) << segment.name << " was altered at " << at;
      if (inside && segment.name == "weights") {
        EXPECT_TRUE(works);
        EXPECT_FALSE(Artifact::open(path)->verify());
      }
    }
  }
}

/// Puts another manifest behind the segments, with a footer that fits it.
static void replaceManifest(const std::string &path, const std::string &bytes, const std::string &manifest) {
  ArtifactFooter footer;
  std::memcpy(&footer, bytes.data() + bytes.size() - sizeof(footer), sizeof(footer));
  footer.manifestSize = manifest.size();
  SHA256Digest hash = SHA256::of(std::as_bytes(std::span(manifest)));
  std::memcpy(footer.manifestHash, hash.data(), hash.size());
  toy::writeFile(path, bytes.substr(0, footer.manifestOffset) + manifest +
                           std::string(reinterpret_cast<const char *>(&footer), sizeof(footer)));
}

static json writtenManifest(const std::string &bytes) {
  ArtifactFooter footer;
  std::memcpy(&footer, bytes.data() + bytes.size() - sizeof(footer), sizeof(footer));
  return json::parse(bytes.substr(footer.manifestOffset, footer.manifestSize));
}

TEST(DamagedArtifactTest, ManifestsWithOneWrongValue) {
  std::string path = toy::temporaryPath("wrong");
  ASSERT_TRUE(toy::write(path));
  const std::string bytes = toy::readFile(path);
  const json good = writtenManifest(bytes);
  auto expectRefused = [&](const char *pointer, json value, const char *message) {
    json manifest = good;
    manifest[json::json_pointer(pointer)] = std::move(value);
    replaceManifest(path, bytes, manifest.dump());
    auto artifact = Artifact::open(path);
    ASSERT_FALSE(artifact) << pointer;
    EXPECT_THAT(artifact.error().message, HasSubstr(message)) << pointer;
  };
  replaceManifest(path, bytes, good.dump());
  ASSERT_TRUE(Artifact::open(path));
  expectRefused("/format", 2, "manifest.format: is 2; this runtime reads 1");
  expectRefused("/abi", 99, "manifest.abi: is 99");
  expectRefused("/model", json::array(), "model: expected an object, found array");
  expectRefused("/model/vocabulary", 0, "vocabulary: is 0");
  expectRefused("/model/vocabulary", 1ull << 40, "expected at most");
  expectRefused("/model/vocabulary", -1, "expected a whole number of at least 0");
  expectRefused("/model/vocabulary", 1.5, "expected a whole number");
  expectRefused("/model/eos_token_ids/0", 60, "from 0 to 59, found 60");
  expectRefused("/model/default_context", 201, "expected at most 200");
  expectRefused("/cache/default", "int2", "is not a type of KV cache");
  expectRefused("/cache/default", "f16", "is not among the types");
  expectRefused("/segments/0/offset", 1, "expected a multiple of 4096");
  expectRefused("/segments/0/offset", UINT64_MAX, "expected at most");
  expectRefused("/segments/0/size", UINT64_MAX, "reaches past the end of the segments");
  expectRefused("/segments/0/name", "waits", "there is no segment \"weights\"");
  expectRefused("/segments/1/name", "weights", "segments[1].name: is a second segment of weights");
  expectRefused("/segments/0/sha256", "00", "expected 64 hexadecimal digits");
  expectRefused("/variants/0/segment", 0, "expected the index of a code segment");
  expectRefused("/variants/0/segment", 2, "expected the index of a code segment");
  expectRefused("/variants/0/kernels/0/entry", 1u << 30, "kernels[0].entry: is 1073741824");
  expectRefused("/variants/0/kernels/0/scratch", 1ull << 40, "expected at most");
  expectRefused("/variants/0/program/arena/0", 65, "multiples of 64");
  expectRefused("/variants/0/program/arena", {64, 64}, "arena[2]: is missing");
  expectRefused("/variants/0/program/dispatches/0/kernel", 7, "expected at most 6");
  expectRefused("/variants/0/program/dispatches/1/kernel", {{"f32", 1}}, "kernel.bf16: is missing");
  expectRefused("/variants/0/program/dispatches/0/barrier", "maybe", "expected always, shared or never");
  expectRefused("/variants/0/program/dispatches/0/operands/0/1", 7681, "expected at most 7680");
  expectRefused("/variants/0/program/dispatches/0/operands/0/1", 10, "not a multiple of 64");
  expectRefused("/variants/0/program/dispatches/0/operands/0/0", "stack", "of kind 'stack'");
  expectRefused("/variants/0/program/dispatches/1/operands/1/1", 2, "expected at most 1");
  expectRefused("/variants/0/program/dispatches/2/operands/2/1", 192, "expected at most 128");
  expectRefused("/variants/0/program/dispatches/0/operands/1/1", 1u << 20, "expected at most");
  expectRefused("/variants/0/program/logits", {"weights", 0}, "expected an operand in the arena");
  expectRefused("/variants/0/program/logits/2", 64, "rows of 256 bytes do not fit the arena");
  expectRefused("/tensors/0/size", 1u << 20, "reaches past the end of the weights");

  replaceManifest(path, bytes, std::string(100000, '['));
  EXPECT_THAT(Artifact::open(path).error().message, HasSubstr("nested 100000 deep"));
  replaceManifest(path, bytes, "{\"format\": 1");
  EXPECT_THAT(Artifact::open(path).error().message, HasSubstr("is not valid JSON"));
}

TEST(DamagedArtifactTest, ManifestsWithRandomNumbers) {
  std::string path = toy::temporaryPath("numbers");
  ASSERT_TRUE(toy::write(path));
  const std::string bytes = toy::readFile(path);
  const json good = writtenManifest(bytes);
  json flat = good.flatten();
  std::vector<std::string> pointers;
  for (auto &[pointer, value] : flat.items())
    // Kernels' entries are the code's own truth: only its hash guards them.
    if (value.is_number() && pointer.find("/entry") == std::string::npos &&
        pointer.find("/items") == std::string::npos && pointer.find("/kernel") == std::string::npos)
      pointers.push_back(pointer);
  const uint64_t values[] = {0,          1,          63,         64,         4096,           1u << 31,
                             UINT32_MAX, 1ull << 46, 1ull << 63, UINT64_MAX, UINT64_MAX - 63};
  std::mt19937_64 random(3);
  for (int i = 0; i < 400; ++i) {
    json manifest = good;
    manifest[json::json_pointer(pointers[random() % pointers.size()])] = values[random() % std::size(values)];
    replaceManifest(path, bytes, manifest.dump());
    auto artifact = Artifact::open(path);
    if (!artifact)
      continue;
    auto plan = planMemory(*artifact, {});
    if (plan)
      EXPECT_FALSE(describe(*plan).empty());
  }
}

//===- Variants
//-------------------------------------------------------------------------------------------===//

TEST(VariantTest, MostFeaturesThatFit) {
  Manifest manifest;
  auto add = [&](const char *target, std::vector<std::string> features) {
    VariantInfo variant;
    variant.target = target;
    variant.features = std::move(features);
    manifest.variants.push_back(std::move(variant));
  };
  add("x86-64-v3", {"avx2", "fma", "f16c"});
  add("avx512-vnni", {"avx2", "fma", "AVX512F", "avx512_vnni"});
  auto choose = [&](std::vector<std::string> features, const char *forced = "") {
    auto chosen = chooseVariant(manifest, features, forced, "model");
    return chosen ? (*chosen)->target : chosen.error().message;
  };
  EXPECT_EQ(choose({"avx2", "fma", "f16c", "avx512f", "avx512vnni"}), "avx512-vnni");
  EXPECT_EQ(choose({"avx2", "fma", "f16c"}), "x86-64-v3");
  EXPECT_EQ(choose({"avx2", "fma", "f16c", "avx512f", "avx512vnni"}, "x86-64-v3"), "x86-64-v3");
  EXPECT_THAT(choose({"avx2", "fma"}),
              HasSubstr("x86-64-v3 needs f16c; avx512-vnni needs AVX512F, avx512_vnni"));
  EXPECT_THAT(choose({"avx2", "fma", "f16c"}, "avx512-vnni"),
              HasSubstr("lacks what its code needs: avx512-vnni"));
  EXPECT_THAT(choose({}, "neon"), HasSubstr("was not compiled for 'neon'; it has x86-64-v3, avx512-vnni"));
  manifest.variants.clear();
  EXPECT_THAT(choose({}), HasSubstr("has no code for a CPU"));
}

/// A CPU with tiles whose system does not permit them has no such features.
TEST(VariantTest, MatrixTilesOnlyWherePermitted) {
  Manifest manifest;
  manifest.variants.resize(2);
  manifest.variants[0].target = "avx512-bf16";
  manifest.variants[0].features = {"avx2", "avx512bf16"};
  manifest.variants[1].target = "amx";
  manifest.variants[1].features = {"avx2", "avx512bf16", "amx-tile", "amx-int8", "amx-bf16"};
  std::vector<std::string> features = {"avx2", "avx512bf16"};
  EXPECT_EQ((*chooseVariant(manifest, features, "", "model"))->target, "avx512-bf16");
  EXPECT_EQ(chooseVariant(manifest, features, "amx", "model").error().message,
            "model: this CPU lacks what its code needs: amx needs amx-tile, amx-int8, amx-bf16; compile it "
            "again with "
            "--target=cpu:native on this machine, or with --target=cpu:x86-64");
  features.insert(features.end(), {"amxtile", "amxint8", "amxbf16"});
  EXPECT_EQ((*chooseVariant(manifest, features, "", "model"))->target, "amx");
  EXPECT_EQ((*chooseVariant(manifest, features, "avx512-bf16", "model"))->target, "avx512-bf16");
}

TEST(VariantTest, FeaturesOfThisMachine) {
  // The system's own list is the witness; its names differ from ours in punctuation only for these.
  std::string system = toy::readFile("/proc/cpuinfo");
  size_t at = system.find("flags");
  if (at == std::string::npos)
    GTEST_SKIP() << "/proc/cpuinfo lists no flags";
  std::string line = system.substr(at, system.find('\n', at) - at) + " ";
  std::vector<std::string> features = cpuFeatures();
  for (const char *name : {"sse4_2", "avx", "avx2", "fma", "f16c", "bmi2", "avx512f", "avx512bw", "avx512vl",
                           "avx512dq", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni", "amx_tile",
                           "amx_int8", "amx_bf16", "gfni", "movbe"}) {
    bool expected = line.find(" " + std::string(name) + " ") != std::string::npos;
    bool found = std::find(features.begin(), features.end(), normalFeature(name)) != features.end();
    EXPECT_EQ(found, expected) << name;
  }
}
