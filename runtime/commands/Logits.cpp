//===- Logits.cpp - The verb that writes logits to a file -------------------------------------===//

#include "nibble/runtime/Npy.h"
#include "runtime/commands/TeacherForcing.h"
#include "runtime/commands/Verb.h"

using namespace nibble;

namespace {
struct LogitsFlags {
  RunFlags run;
  std::string tokens, output;
  uint32_t chunk = 0, decodeFrom = UINT32_MAX;
};
} // namespace

static Result<int> runLogits(const std::string &path, const LogitsFlags &flags) {
  NIBBLE_TRY(auto artifact, Artifact::open(path));
  NIBBLE_TRY(auto sequences, readTokenFile(flags.tokens, artifact.manifest().model.vocabulary));
  NIBBLE_TRY(auto options, engineOptions(flags.run));
  Feeding feeding = {flags.chunk, flags.decodeFrom};
  setBudgets(options, artifact.manifest().model, sequences, feeding);
  NIBBLE_TRY(auto engine, startEngine(artifact, options, flags.run));
  std::vector<uint64_t> firstRow; // [sequence] in the file
  uint64_t rows = 0;
  for (const auto &sequence : sequences) {
    firstRow.push_back(rows);
    rows += sequence.size();
  }
  NIBBLE_TRY(auto writer, NpyWriter::create(flags.output, rows, engine.model().vocabulary));
  NIBBLE_CHECK(feedAll(engine, sequences, feeding,
                       [&](size_t sequence, uint32_t position, std::span<const float> logits) {
                         return writer.write(firstRow[sequence] + position, logits);
                       }));
  NIBBLE_CHECK(writer.finish());
  printProfile(engine);
  return kExitDone;
}

void nibble::addLogitsVerb(CLI::App &app, Choice &choice) {
  auto flags = std::make_shared<LogitsFlags>();
  CLI::App *verb =
      addVerb(app, choice, "logits", "Writes the logits of given tokens to a .npy file",
              {"logits --tokens ids.json -o logits.npy",
               "logits --tokens ids.json -o logits.npy --chunk 7 --decode-from 33 --kv-cache f32"});
  verb->add_option("--tokens", flags->tokens, "JSON [[ids...], ...]; the sequences run as one ragged batch")
      ->required();
  verb->add_option("-o,--output", flags->output, "float32 rows in order, one a token")->required();
  verb->add_option("--chunk", flags->chunk, "Cut prompts into steps of so many tokens")
      ->check(CLI::PositiveNumber);
  verb->add_option("--decode-from", flags->decodeFrom, "Feed tokens from this position on one by one")
      ->check(CLI::NonNegativeNumber);
  addRunFlags(*verb, flags->run);
  verb->callback([&choice, flags] {
    choice.action = [&choice, flags] { return runLogits(choice.artifactPath, *flags); };
  });
}
