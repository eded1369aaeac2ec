//===- CommandsTest.cpp - The command line, run as a user runs it -----------------------------===//

#include "ToyModel.h"
#include "nibble/runtime/Npy.h"
#include <cmath>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <sys/wait.h>

using namespace nibble;
using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

struct Outcome {
  int code;
  std::string out, err;
};

/// Runs a command line of the shell with `input` on stdin.
Outcome run(const std::string &command, const std::string &input = "") {
  std::string in = toy::temporaryPath("stdin"), out = toy::temporaryPath("stdout"),
              err = toy::temporaryPath("stderr");
  toy::writeFile(in, input);
  int status = std::system((command + " <" + in + " >" + out + " 2>" + err).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, toy::readFile(out), toy::readFile(err)};
}

class CommandsTest : public testing::Test {
protected:
  static void SetUpTestSuite() {
    artifact = toy::temporaryPath("model");
    // Rendered, a message is its content between "<s>" and "."; system messages and names show too.
    json templates = {{"templates",
                       {{"default", "{{ bos_token }}{% for m in messages %}{{ m.content }}.{% endfor %}"
                                    "{% if add_generation_prompt %}A{% endif %}"},
                        {"dated", "{{ strftime_now('%d %b %Y') }}"},
                        {"tool_use", "{{ tools | tojson }}"}}},
                      {"bos_token", "<s>"},
                      {"eos_token", "</s>"}};
    auto written =
        toy::write(artifact, NIBBLE_RUN, {{"tokenizer", toy::tokenizer()}, {"templates", templates.dump()}});
    ASSERT_TRUE(written) << written.error().message;
  }

  /// The artifact as an executable.
  static Outcome verb(const std::string &arguments, const std::string &input = "") {
    return run(artifact + " " + arguments, input);
  }

  static std::string tokenFile(const std::vector<std::vector<int32_t>> &sequences) {
    std::string path = toy::temporaryPath("tokens.json");
    toy::writeFile(path, json(sequences).dump());
    return path;
  }

  static std::string artifact;
};
std::string CommandsTest::artifact;

TEST_F(CommandsTest, ExitCodesAndStreams) {
  Outcome help = verb("--help");
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("generate"));
  EXPECT_EQ(help.err, "");
  EXPECT_EQ(verb("--version").out.substr(0, 7), "nibble ");
  for (const char *name : {"generate", "chat", "logits", "tokenize", "detokenize", "template", "eval",
                           "bench", "info", "verify"}) {
    Outcome outcome = verb(std::string(name) + " --help");
    EXPECT_EQ(outcome.code, 0) << name;
    EXPECT_THAT(outcome.out, HasSubstr("Examples:\n  " + artifact + " " + name)) << name;
    EXPECT_EQ(verb(std::string(name) + " --version").code, 0);
    Outcome wrong = verb(std::string(name) + " --no-such-option");
    EXPECT_EQ(wrong.code, 2) << name;
    EXPECT_EQ(wrong.out, "");
    EXPECT_NE(wrong.err, "");
  }
  EXPECT_EQ(verb("").code, 2);
  EXPECT_EQ(verb("sing").code, 2);
  EXPECT_EQ(verb("generate").code, 2);
  EXPECT_EQ(verb("generate -p x --temperature -1").code, 2);
  EXPECT_EQ(verb("eval --text a --tokens b").code, 2);
  Outcome missing = verb("logits --tokens /no/such/file -o /dev/null");
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, StartsWith("error: /no/such/file"));
  std::string alone = NIBBLE_RUN;
  EXPECT_EQ(run(alone).code, 2);
  EXPECT_EQ(run(alone + " --help").code, 0);
  EXPECT_EQ(run(alone + " " + artifact + " info").out, verb("info").out);
  Outcome other = run(alone + " /etc/passwd info");
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("does not end as an artifact does"));
  EXPECT_EQ(verb("info --device=cuda").code, 1);
  EXPECT_EQ(verb("info --kv-cache=int8").code, 1);
  EXPECT_EQ(verb("info --context=201").code, 1);
}

TEST_F(CommandsTest, LogitsOfARaggedBatchInAnyChunks) {
  std::vector<std::vector<int32_t>> sequences = {toy::tokens(40, 1), toy::tokens(1, 2), toy::tokens(77, 3)};
  std::vector<std::vector<float>> expected;
  for (const auto &sequence : sequences)
    for (const auto &row : toy::expectedLogits(sequence))
      expected.push_back(row);
  std::string tokens = tokenFile(sequences), output = toy::temporaryPath("logits.npy");
  for (const char *flags :
       {"", "--chunk 1", "--chunk 7", "--decode-from 0", "--decode-from 33 --chunk 64 --threads 1",
        "--kv-cache bf16 --weights huge --threads 3"}) {
    Outcome outcome = verb("logits --tokens " + tokens + " -o " + output + " " + flags);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    auto matrix = NpyMatrix::open(output);
    ASSERT_TRUE(matrix) << matrix.error().message;
    ASSERT_EQ(matrix->rows(), expected.size());
    for (size_t r = 0; r < expected.size(); ++r)
      ASSERT_THAT(matrix->row(r), testing::ElementsAreArray(expected[r])) << flags << ", row " << r;
  }
  EXPECT_EQ(verb("logits --tokens " + tokenFile({{1, 60}}) + " -o " + output).code, 1);
  EXPECT_EQ(verb("logits --tokens " + tokenFile({{}}) + " -o " + output).code, 1);
  Outcome overlong = verb("logits --tokens " + tokenFile({toy::tokens(201, 1)}) + " -o " + output);
  EXPECT_EQ(overlong.code, 1);
  EXPECT_THAT(overlong.err, HasSubstr("200 positions"));
}

TEST_F(CommandsTest, GenerateFromTokensAndText) {
  std::vector<std::vector<int32_t>> prompts = {toy::tokens(12, 4), toy::tokens(30, 5)};
  Outcome outcome = verb("generate --json -n 6 --ignore-eos --tokens " + tokenFile(prompts));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  json results = json::parse(outcome.out);
  ASSERT_EQ(results.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(results[i]["tokens"].get<std::vector<int32_t>>(), toy::greedy(prompts[i], 6));
    EXPECT_EQ(results[i]["prompt_tokens"], prompts[i].size());
    EXPECT_EQ(results[i]["finish_reason"], "length");
    EXPECT_GE(results[i]["seconds"].get<double>(), 0);
  }
  EXPECT_THAT(outcome.err, HasSubstr("tokens/s"));

  auto textOf = [](const std::string &printed) { return printed.substr(0, printed.size() - 1); };
  std::string flags = " -n 30 --temperature 30 --seed 7 --ignore-eos ";
  Outcome json1 = verb("generate -p 'Hi there.' --json" + flags);
  std::string text = json::parse(json1.out)[0]["text"];
  EXPECT_EQ(json::parse(json1.out)[0]["prompt_tokens"], 10); // the start token and nine characters
  Outcome plain = verb("generate -p 'Hi there.' --quiet" + flags);
  EXPECT_EQ(textOf(plain.out), text);
  EXPECT_EQ(plain.err, "");
  EXPECT_EQ(verb("generate -p 'Hi there.' --echo" + flags).out, "Hi there." + text + "\n");
  // A prompt that spells its start token has one all the same.
  EXPECT_EQ(textOf(verb("generate -p '<s>Hi there.'" + flags).out), text);
  std::string file = toy::temporaryPath("prompt.txt");
  toy::writeFile(file, "Hi there.");
  EXPECT_EQ(textOf(verb("generate -f " + file + flags).out), text);
  ASSERT_GT(text.size(), 10u);
  std::string stop = text.substr(5, 2);
  EXPECT_EQ(textOf(verb("generate -p 'Hi there.' --stop '" + stop + "'" + flags).out),
            text.substr(0, text.find(stop)));
  // Several prompts: the second has the next seed.
  Outcome both = verb("generate -p 'Hello' -p 'Hi there.' --temperature 30 --seed 6 -n 30 --ignore-eos");
  EXPECT_THAT(both.out, StartsWith("=== 1 ===\n"));
  EXPECT_THAT(both.out, HasSubstr("\n=== 2 ===\n" + text + "\n"));

  Outcome overflow = verb("generate -p 'Hi there.' -n 119");
  EXPECT_EQ(overflow.code, 1);
  EXPECT_THAT(overflow.err, HasSubstr("the context holds 128"));
  EXPECT_EQ(verb("generate -p 'Hi there.' -n 119 --context 129 --ignore-eos --quiet").code, 0);
}

TEST_F(CommandsTest, TokenizeAndBack) {
  EXPECT_EQ(verb("tokenize", "ab</s>").out, "[1,3,4,2]\n");
  EXPECT_EQ(verb("tokenize --no-special", "ab</s>").out, "[3,4,2]\n");
  EXPECT_EQ(verb("tokenize --no-special --lines", "ab\n\nc").out, "[3,4]\n[]\n[5]\n");
  EXPECT_EQ(verb("detokenize", "[1,3,4,2]").out, "<s>ab</s>");
  EXPECT_EQ(verb("detokenize --no-special", "[1,3,4,2]").out, "ab");
  EXPECT_EQ(verb("detokenize --lines --no-special", "[3]\n[4,5]\n").out, "\"a\"\n\"bc\"\n");
  EXPECT_EQ(verb("detokenize", "[60]").code, 1);
  EXPECT_EQ(verb("detokenize", "{").code, 1);
}

TEST_F(CommandsTest, Template) {
  std::string messages = toy::temporaryPath("messages.json"), tools = toy::temporaryPath("tools.json");
  toy::writeFile(messages, R"([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}])");
  toy::writeFile(tools, R"([{"z": 1, "a": 2}])");
  EXPECT_EQ(verb("template --messages " + messages).out, "<s>Hi.Ho.A");
  EXPECT_EQ(verb("template --no-generation-prompt --messages " + messages).out, "<s>Hi.Ho.");
  EXPECT_EQ(verb("template --template dated --date 2024-02-29 --messages " + messages).out, "29 Feb 2024");
  EXPECT_EQ(verb("template --tools " + tools + " --messages " + messages).out, R"([{"z": 1, "a": 2}])");
  Outcome unknown = verb("template --template x --messages " + messages);
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("there is dated, default, tool_use"));
  EXPECT_EQ(verb("template --date today --messages " + messages).code, 1);
}

TEST_F(CommandsTest, ChatAnswersWithTheTemplatesTokens) {
  // "<s>Hi.A" encodes to the start token and four characters: no second start token.
  Outcome once = verb("chat -p Hi --json -n 20 --temperature 30 --seed 3");
  ASSERT_EQ(once.code, 0) << once.err;
  json answer = json::parse(once.out);
  EXPECT_EQ(answer["prompt_tokens"], 5);
  Outcome same = verb("generate -p '<s>Hi.A' --no-special --json -n 20 --temperature 30 --seed 3");
  EXPECT_EQ(json::parse(same.out)[0]["tokens"], answer["tokens"]);
  EXPECT_EQ(verb("chat -p Hi -n 20 --temperature 30 --seed 3").out, answer["text"].get<std::string>() + "\n");
  Outcome system = verb("chat -p Hi --system Sys --json -n 20");
  EXPECT_EQ(json::parse(system.out)["prompt_tokens"], 9);

  // Two turns: the second answer is what the whole conversation gives at once.
  Outcome turns = verb("chat -n 9 --temperature 30 --seed 3", "Hi\nYo\n");
  ASSERT_EQ(turns.code, 0) << turns.err;
  std::string first = turns.out.substr(0, turns.out.find('\n'));
  std::string second = turns.out.substr(first.size() + 1);
  Outcome whole =
      verb("generate -p '<s>Hi." + first + ".Yo.A' --no-special --quiet -n 9 --temperature 30 --seed 3");
  EXPECT_EQ(second, whole.out);
  EXPECT_EQ(verb("chat -n 9 --temperature 30 --seed 3", "x\n/clear\nHi\n/exit\nmore\n").out.find("more"),
            std::string::npos);
  Outcome tooLong = verb("chat -n 9", std::string(150, 'x') + "\nHi\n");
  EXPECT_EQ(tooLong.code, 0);
  EXPECT_THAT(tooLong.err, HasSubstr("error: the prompt has 153 tokens"));
}

TEST_F(CommandsTest, EvalAgainstPlainLoops) {
  std::vector<std::vector<int32_t>> windows = {toy::tokens(30, 6), toy::tokens(25, 7)};
  std::string tokens = tokenFile(windows), stored = toy::temporaryPath("stored.npy");
  // Stored logits: ours, each row tilted by a known slope, so that KL is not 0.
  auto writer = NpyWriter::create(stored, 55, toy::kVocabulary);
  ASSERT_TRUE(writer);
  double loss = 0, divergence = 0;
  uint64_t row = 0, agree = 0;
  auto logSumExp = [](const std::vector<float> &values) {
    long double largest = *std::max_element(values.begin(), values.end()), sum = 0;
    for (float value : values)
      sum += std::exp(static_cast<long double>(value) - largest);
    return largest + std::log(sum);
  };
  for (const auto &window : windows) {
    auto logits = toy::expectedLogits(window);
    for (size_t i = 0; i < window.size(); ++i, ++row) {
      std::vector<float> other = logits[i];
      for (uint32_t v = 0; v < toy::kVocabulary; ++v)
        other[v] += static_cast<float>((v * 5 + row) % 9);
      ASSERT_TRUE(writer->write(row, other));
      long double ours = logSumExp(logits[i]), theirs = logSumExp(other);
      if (i + 1 < window.size())
        loss +=
            static_cast<double>(ours) - static_cast<double>(logits[i][static_cast<size_t>(window[i + 1])]);
      for (uint32_t v = 0; v < toy::kVocabulary; ++v) {
        long double logP = static_cast<long double>(other[v]) - theirs;
        divergence +=
            static_cast<double>(std::exp(logP) * (logP - (static_cast<long double>(logits[i][v]) - ours)));
      }
      auto top = [](const std::vector<float> &values) {
        return std::max_element(values.begin(), values.end()) - values.begin();
      };
      agree += top(logits[i]) == top(other);
    }
  }
  ASSERT_TRUE(writer->finish());
  Outcome outcome = verb("eval --json --tokens " + tokens + " --against " + stored);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  json result = json::parse(outcome.out);
  EXPECT_EQ(result["positions"], 55);
  EXPECT_EQ(result["predicted"], 53);
  EXPECT_NEAR(result["loss"], loss / 53, 1e-9 * loss);
  EXPECT_NEAR(result["kl"], divergence / 55, 1e-9);
  EXPECT_GT(divergence / 55, 0.01);
  EXPECT_NEAR(result["top1_agreement"], static_cast<double>(agree) / 55, 1e-12);
  EXPECT_LT(agree, 55u);

  std::string saved = toy::temporaryPath("saved.npy");
  ASSERT_EQ(verb("eval --tokens " + tokens + " --save-logits " + saved).code, 0);
  result = json::parse(verb("eval --json --tokens " + tokens + " --against " + saved).out);
  EXPECT_EQ(result["kl"], 0.0);
  EXPECT_EQ(result["top1_agreement"], 1.0);
  Outcome mismatch = verb("eval --window 10 --tokens " + tokenFile({windows[0]}) + " --against " + saved);
  EXPECT_EQ(mismatch.code, 1);
  EXPECT_THAT(mismatch.err, HasSubstr("holds 55 x 60 logits"));

  // A text is cut into windows that each begin with the start token: 10 characters, 4 a window.
  std::string text = toy::temporaryPath("text.txt");
  toy::writeFile(text, "abcdefghij");
  result = json::parse(verb("eval --json --window 5 --text " + text).out);
  EXPECT_EQ(result["windows"], 3);
  EXPECT_EQ(result["positions"], 13);
}

TEST_F(CommandsTest, BenchOnRequest) {
  const std::string flags = "bench --requests --prompt 8 --batch 2 --depth 16 --decode 4";
  Outcome done = verb(flags, R"({"prompt": 8, "batch": 1, "depth": 0, "decode": 0}
{"prompt": 0, "batch": 2, "depth": 16, "decode": 4}
{"probe": true}
)");
  ASSERT_EQ(done.code, 0) << done.err;
  std::istringstream lines(done.out);
  std::vector<json> replies;
  for (std::string line; std::getline(lines, line);)
    replies.push_back(json::parse(line));
  ASSERT_EQ(replies.size(), 4u); // the first describes the run
  EXPECT_TRUE(replies[0].contains("weights"));
  EXPECT_GT(replies[1]["prompt_seconds"], 0);
  EXPECT_GT(replies[2]["decode_seconds"], 0);
  EXPECT_TRUE(replies[3].empty()); // the toy has no probes
  // More than there is room for, and nonsense.
  Outcome deep = verb(flags, R"({"prompt": 8, "batch": 1, "depth": 17, "decode": 0})");
  EXPECT_EQ(deep.code, 1);
  EXPECT_THAT(deep.err, HasSubstr("the request.depth: is 17; expected at most 16"));
  EXPECT_EQ(verb(flags, "[").code, 1);
}

TEST_F(CommandsTest, InfoVerifyBench) {
  Outcome info = verb("info");
  EXPECT_THAT(info.out, HasSubstr("toy"));
  EXPECT_THAT(info.out, HasSubstr("KV cache"));
  json document = json::parse(verb("info --json --batch 4 --context 100").out);
  EXPECT_EQ(document["model"]["vocabulary"], 60);
  EXPECT_EQ(document["memory"]["kv_cache"], 4 * 4 * 8192); // 4 sequences of 4 pages, f32
  EXPECT_EQ(verb("verify").code, 0);
  std::string damaged = toy::temporaryPath("damaged"), bytes = toy::readFile(artifact);
  uint64_t offset = document["segments"][0]["offset"];
  bytes[offset + 100] ^= 1;
  toy::writeFile(damaged, bytes);
  Outcome verify = run(std::string(NIBBLE_RUN) + " " + damaged + " verify");
  EXPECT_EQ(verify.code, 1);
  EXPECT_THAT(verify.err, HasSubstr("segment 'weights' does not match its hash"));
  EXPECT_EQ(run(std::string(NIBBLE_RUN) + " " + damaged + " info").code,
            0); // weights are checked by size only

  Outcome bench = verb("bench --prompt 8,32 --batch 1,3 --depth 0,20 --decode 4 --json");
  ASSERT_EQ(bench.code, 0) << bench.err;
  json results = json::parse(bench.out);
  EXPECT_EQ(results["results"].size(), 8u);
  EXPECT_GT(results["results"][3]["decode_tokens_per_second"]["median"], 0);
  EXPECT_FALSE(results["results"][3].contains("read_bandwidth")); // the toy has no probes
  EXPECT_EQ(verb("bench --prompt 190 --decode 32").code, 1);
  Outcome table = verb("bench --prompt 8 --batch 2 --decode 2 --threads 2 --csv");
  EXPECT_THAT(table.out, HasSubstr("\n2,8,2,0,2,"));
  EXPECT_THAT(verb("bench --prompt 8 --batch 2 --decode 2 --threads 1,2").out, HasSubstr("      2       8"));
  Outcome profile = verb("logits --profile --tokens " + tokenFile({toy::tokens(9, 1)}) + " -o " +
                         toy::temporaryPath("p.npy"));
  EXPECT_THAT(profile.err, HasSubstr("layer * attend"));
  EXPECT_THAT(profile.err, HasSubstr("weights mapped from the file"));
}

} // namespace
