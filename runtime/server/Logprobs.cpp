//===- Logprobs.cpp - Log probabilities in answers --------------------------------------------===//

#include "runtime/server/Logprobs.h"
#include "runtime/server/JsonText.h"
#include "runtime/tokenizer/UTF8.h"
#include <algorithm>

using namespace nibble;
using namespace nibble::server;

/// {"token":...,"logprob":...,"bytes":[...] without the closing brace.
static void appendToken(std::string &out, const Tokenizer &tokenizer, int32_t token, float logprob) {
  std::string_view piece = tokenizer.piece(token);
  out += R"({"token":)";
  appendQuoted(out, piece);
  out += R"(,"logprob":)";
  appendLogprob(out, logprob);
  out += R"(,"bytes":[)";
  for (size_t i = 0; i < piece.size(); ++i) {
    if (i)
      out += ',';
    appendNumber(out, static_cast<unsigned char>(piece[i]));
  }
  out += ']';
}

void server::appendChatLogprob(std::string &out, const Tokenizer &tokenizer, const SampledToken &token) {
  appendToken(out, tokenizer, token.token, token.logprob);
  out += R"(,"top_logprobs":[)";
  for (size_t i = 0; i < token.top.size(); ++i) {
    if (i)
      out += ',';
    appendToken(out, tokenizer, token.top[i].token, token.top[i].logprob);
    out += '}';
  }
  out += "]}";
}

/// A token's text, and where its bytes are no text OpenAI's spelling of them: other tokens have others.
std::string CompletionLogprobs::spelling(int32_t token) const {
  if (!tokenizer)
    return "token_id:" + std::to_string(token);
  std::string_view piece = tokenizer->piece(token);
  if (tokenizer::isValidUTF8(piece))
    return std::string(piece);
  std::string text = "bytes:";
  for (char byte : piece) {
    const char *digits = "0123456789abcdef";
    auto value = static_cast<unsigned char>(byte);
    text += {'\\', 'x', digits[value >> 4], digits[value & 15]};
  }
  return text;
}

void CompletionLogprobs::addToken(int32_t token, bool isInText) {
  const char *comma = tokens.empty() ? "" : ",";
  tokens += comma;
  appendQuoted(tokens, spelling(token));
  logprobs += comma;
  tops += comma;
  offsets += comma;
  auto continues = [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; };
  std::string_view piece = tokenizer && isInText ? tokenizer->piece(token) : std::string_view();
  // A token that goes on with a character is where that began.
  bool inside = !piece.empty() && continues(piece.front()) && characters > 0;
  appendNumber(offsets, inside ? characters - 1 : characters);
  characters += static_cast<uint64_t>(
      std::count_if(piece.begin(), piece.end(), [&](char byte) { return !continues(byte); }));
}

void CompletionLogprobs::addFirst(int32_t token, bool isInText) {
  addToken(token, isInText);
  logprobs += "null";
  tops += "null";
}

void CompletionLogprobs::add(const SampledToken &token, bool isInText) {
  addToken(token.token, isInText);
  appendLogprob(logprobs, token.logprob);
  // The chosen token is among them even if it is not one of the most probable ones.
  tops += '{';
  bool chosen = false;
  for (size_t i = 0; i < token.top.size(); ++i) {
    tops += i ? "," : "";
    appendQuoted(tops, spelling(token.top[i].token));
    tops += ':';
    appendLogprob(tops, token.top[i].logprob);
    chosen |= token.top[i].token == token.token;
  }
  if (!chosen) {
    tops += token.top.empty() ? "" : ",";
    appendQuoted(tops, spelling(token.token));
    tops += ':';
    appendLogprob(tops, token.logprob);
  }
  tops += '}';
}

std::string CompletionLogprobs::take() {
  std::string text = R"({"tokens":[)" + tokens + R"(],"token_logprobs":[)" + logprobs +
                     R"(],"top_logprobs":[)" + tops + R"(],"text_offset":[)" + offsets + "]}";
  tokens.clear();
  logprobs.clear();
  tops.clear();
  offsets.clear();
  return text;
}
