//===- LogitsTest.cpp - Imported models against transformers ----------------------------------===//
//
// The reference interpreter walks what the importers build. test/data/tiny and test/data/gguf hold the logits
// that transformers computes from the same files (python/fixtures); every feature of a case moves them by
// more than a hundred times what is allowed here.
//
//===------------------------------------------------------------------------------------------===//

#include "nibble/Import/ModelBuilder.h"
#include "nibble/Reference/Interpreter.h"
#include "nibble/runtime/Json.h"
#include "nibble/runtime/Npy.h"

#include <cmath>
#include <filesystem>
#include <gtest/gtest.h>

using namespace nibble;
using namespace nibble::reference;
namespace fs = std::filesystem;

using Sequences = std::vector<std::vector<int32_t>>;

static constexpr double tolerance = 1e-5; // of float32 logits against double ones

/// Rows begin .. end - 1 of each sequence, as far as it has them, all with logits.
static Batch batchOf(const Sequences &sequences, size_t begin, size_t end) {
  Batch batch;
  batch.sequences.start.push_back(0);
  for (size_t s = 0; s < sequences.size(); ++s) {
    size_t last = std::min(end, sequences[s].size());
    if (begin >= last)
      continue;
    for (size_t p = begin; p < last; ++p) {
      batch.logitsRows.push_back(int32_t(batch.tokenIds.size()));
      batch.tokenIds.push_back(sequences[s][p]);
      batch.positions.push_back(int32_t(p));
    }
    batch.sequences.start.push_back(int64_t(batch.tokenIds.size()));
    batch.sequences.sequence.push_back(s);
  }
  return batch;
}

/// Logits of every token: the first `prompt` of each sequence in one ragged batch, the others one by one.
static Matrix logitsOf(Interpreter &interpreter, const Sequences &sequences, size_t prompt) {
  ModelShape shape = interpreter.shape();
  KeyValueCache cache(shape.layers, shape.kvHeads, shape.headDim);
  std::vector<size_t> firstRow; // of each sequence in the result
  size_t rows = 0, longest = 0;
  for (const auto &sequence : sequences) {
    cache.addSequence();
    firstRow.push_back(rows);
    rows += sequence.size();
    longest = std::max(longest, sequence.size());
  }
  Matrix all(int64_t(rows), shape.vocabulary);
  for (size_t begin = 0, end = prompt; begin < longest; begin = end, ++end) {
    Batch batch = batchOf(sequences, begin, end);
    auto step = interpreter.step(batch, cache);
    if (!step) {
      ADD_FAILURE() << step.error().message;
      return all;
    }
    for (size_t s = 0, row = 0; s < batch.sequences.sequence.size(); ++s)
      for (; int64_t(row) < batch.sequences.start[s + 1]; ++row)
        std::ranges::copy(
            step->row(int64_t(row)),
            all.row(int64_t(firstRow[batch.sequences.sequence[s]]) + batch.positions[row]).begin());
  }
  return all;
}

/// The largest over rows of ||ours - expected|| / ||expected||.
static double relativeError(const Matrix &ours, const NpyMatrix &expected) {
  double largest = 0;
  for (int64_t row = 0; row < ours.rows; ++row) {
    double difference = 0, size = 0;
    for (int64_t i = 0; i < ours.columns; ++i) {
      difference += std::pow(ours.row(row)[i] - double(expected.row(row)[i]), 2);
      size += std::pow(double(expected.row(row)[i]), 2);
    }
    largest = std::max(largest, std::sqrt(difference / size));
  }
  return largest;
}

static void expectLogits(const fs::path &checkpointPath, const fs::path &tokens,
                         const fs::path &expectedPath) {
  SCOPED_TRACE(checkpointPath.string());
  auto checkpoint = openCheckpoint(checkpointPath.string());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message;
  auto sequences = readJsonFile(tokens.string());
  ASSERT_TRUE(sequences) << sequences.error().message;
  auto expected = NpyMatrix::open(expectedPath.string());
  ASSERT_TRUE(expected) << expected.error().message;

  mlir::MLIRContext context;
  auto module = buildModel(context, *checkpoint);
  ParameterSource weights = [&](const ParameterRequest &request) {
    return checkpoint->parameters.readRows(request.name, 0, request.rows);
  };
  auto interpreter = Interpreter::create(*module, weights);
  ASSERT_TRUE(interpreter) << interpreter.error().message;
  for (size_t prompt : {size_t(33), size_t(1000)}) {
    Matrix ours = logitsOf(*interpreter, sequences->get<Sequences>(), prompt);
    ASSERT_EQ(ours.rows, int64_t(expected->rows()));
    ASSERT_EQ(ours.columns, int64_t(expected->columns()));
    EXPECT_LE(relativeError(ours, *expected), tolerance);
  }
}

TEST(Logits, OfTinyModelsEqualTransformers) {
  unsigned models = 0;
  for (const auto &entry : fs::directory_iterator(fs::path(NIBBLE_TEST_DATA) / "tiny"))
    if (entry.is_directory()) {
      expectLogits(entry.path(), entry.path() / "tokens.json", entry.path() / "expected.npy");
      ++models;
    }
  EXPECT_EQ(models, 10u);
}

TEST(Logits, OfGGUFFilesEqualTransformers) {
  unsigned models = 0;
  for (const auto &entry : fs::directory_iterator(fs::path(NIBBLE_TEST_DATA) / "gguf"))
    if (entry.path().extension() == ".npy") {
      std::string name = entry.path().stem().string();
      fs::path source = fs::path(NIBBLE_TEST_DATA) / "tiny" / name.substr(0, name.find_last_of('-'));
      fs::path file = entry.path();
      expectLogits(file.replace_extension(".gguf"), source / "tokens.json", entry.path());
      ++models;
    }
  EXPECT_EQ(models, 14u);
}
