//===- ToyModel.h - The toy model as an artifact, and what it must compute ----------*- C++ -*-===//
//
// Writes an artifact with the real writer around the kernels of ToyKernels.cpp, and computes the same model
// in plain loops for the tests to compare with.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace nibble::toy {

inline constexpr uint32_t kVocabulary = 60, kContext = 200;

/// The manifest as the compiler would hand it to the writer.
nlohmann::json manifest();

/// Extra segments, by name.
struct ExtraSegment {
  std::string name, bytes;
};

/// Writes the artifact; `runtime` is an executable to put in front, or empty.
Result<void> write(const std::string &path, const std::string &runtime = "",
                   const std::vector<ExtraSegment> &extra = {}, nlohmann::json manifest = toy::manifest());

/// Logits of every position of one sequence: [tokens][kVocabulary].
std::vector<std::vector<float>> expectedLogits(const std::vector<int32_t> &tokens);

/// What greedy decoding must give: the argmax, lowest id first, until one of `stops` (which is included).
std::vector<int32_t> greedy(std::vector<int32_t> tokens, size_t count,
                            const std::vector<int32_t> &stops = {});

/// The characters of tokens 3 to 59; 0 is unknown, 1 start and 2 end.
std::string characters();
/// The segment of a tokenizer that has them.
std::string tokenizer();

/// `count` token ids that depend on `seed` only.
std::vector<int32_t> tokens(uint32_t count, uint32_t seed);

/// A path in the test's own temporary folder.
std::string temporaryPath(const std::string &name);

/// The bytes of a file.
std::string readFile(const std::string &path);
void writeFile(const std::string &path, const std::string &bytes);

} // namespace nibble::toy
