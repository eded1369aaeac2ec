//===- Decoder.h - Token ids to text ------------------------------------------------*- C++ -*-===//
//
// One engine under decode() and DetokenizeStream: what each token adds was worked out when the tokenizer was
// compiled; left to do are the start of the text and characters that are spread over tokens.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "Segment.h"

namespace nibble::tokenizer {

class Decoder {
public:
  /// `wholeRuns`: a run of byte tokens waits for its end, because one that is not UTF-8 as a whole becomes
  /// one U+FFFD for each of its bytes. A stream does not wait and judges character by character.
  Decoder(const State &state, bool skipSpecial, bool wholeRuns)
      : state(state), skipSpecial(skipSpecial), wholeRuns(wholeRuns) {}

  void push(int32_t id, std::string &out);
  void finish(std::string &out);

private:
  void flushByteRun(std::string &out, bool complete);
  void emit(std::string_view text, std::string &out);

  const State &state;
  bool skipSpecial;
  bool wholeRuns;
  bool first = true;      // no token yet
  uint32_t stripped = 0;  // characters dropped from the start so far
  bool stripping = true;  // still at the start
  std::string byteRun;    // of byte tokens, not emitted yet
  std::string unfinished; // the beginning of a character
};

} // namespace nibble::tokenizer
