//===- Decoder.cpp - Token ids to text --------------------------------------------------------===//

#include "Decoder.h"
#include "UTF8.h"

using namespace nibble::tokenizer;

/// Appends what of `text` is whole characters, after what the start of a text loses; keeps the rest waiting.
void Decoder::emit(std::string_view text, std::string &out) {
  std::string_view drop = state.text(state.header.stripped);
  while (stripping && !text.empty()) {
    stripping = stripped < state.header.stripCount && text.starts_with(drop);
    if (stripping) {
      text = text.substr(drop.size());
      ++stripped;
    }
  }
  unfinished += text;
  size_t waiting = unfinishedBytes(unfinished);
  appendValid(out, std::string_view(unfinished).substr(0, unfinished.size() - waiting));
  unfinished.erase(0, unfinished.size() - waiting);
}

/// Emits what of the run of byte tokens can be judged: whole characters, and one U+FFFD for each byte that is
/// in none.
void Decoder::flushByteRun(std::string &out, bool complete) {
  std::string decided;
  size_t at = 0;
  bool broken = wholeRuns && complete && !isValidUTF8(byteRun);
  while (at < byteRun.size()) {
    Sequence sequence = scanSequence(byteRun, at);
    if (sequence.cut && !complete)
      break;
    if (sequence.valid && !broken)
      decided += byteRun.substr(at, sequence.length);
    else
      for (uint32_t i = 0; i < sequence.length; ++i)
        decided += replacementCharacter;
    at += sequence.length;
  }
  byteRun.erase(0, at);
  emit(decided, out);
}

void Decoder::push(int32_t id, std::string &out) {
  if (!state.isToken(id) || (skipSpecial && state.isSpecial(id)))
    return;
  if (state.tokenFlags[size_t(id)] & ByteToken) {
    byteRun += state.text(state.outputs[size_t(id)]);
    if (!wholeRuns)
      flushByteRun(out, false);
    first = false;
    return;
  }
  flushByteRun(out, true);
  std::string_view drop = state.text(state.header.droppedFromFirst);
  if (!first)
    emit(state.text(state.header.separator), out);
  if (first && !drop.empty()) {
    std::string_view key = state.text(state.keys[size_t(id)]);
    for (size_t at; (at = key.find(drop)) != key.npos; key = key.substr(at + drop.size()))
      emit(key.substr(0, at), out);
    emit(key, out);
  } else {
    emit(state.text(state.outputs[size_t(id)]), out);
  }
  first = false;
}

void Decoder::finish(std::string &out) {
  flushByteRun(out, true);
  appendValid(out, unfinished);
  unfinished.clear();
  first = stripping = true;
  stripped = 0;
}
