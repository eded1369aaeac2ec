//===- Fuzz.cpp - What the harnesses share ----------------------------------------------------===//

#include "Fuzz.h"

#include "nibble/runtime/Tokenizer.h"

#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

using namespace nibble;

void fuzz::require(bool holds, std::string_view promise) {
  if (holds)
    return;
  std::fprintf(stderr, "broken promise: %.*s\n", static_cast<int>(promise.size()), promise.data());
  std::abort();
}

fuzz::MemoryFile::MemoryFile()
    : descriptor(::memfd_create("fuzz", MFD_CLOEXEC)), name("/proc/self/fd/" + std::to_string(descriptor)) {
  require(descriptor >= 0, "the system has memfd_create");
}

fuzz::MemoryFile::~MemoryFile() { ::close(descriptor); }

void fuzz::MemoryFile::set(std::span<const uint8_t> bytes) {
  bool done = ::ftruncate(descriptor, 0) == 0 &&
              ::pwrite(descriptor, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size());
  require(done, "files in memory can be written");
}

void fuzz::useSegment(std::span<const std::byte> segment, std::string_view text, bool mustOpen) {
  auto tokenizer = Tokenizer::open(segment);
  require(tokenizer || !mustOpen, "Tokenizer::open accepts what serializeTokenizer gives");
  if (!tokenizer)
    return;
  std::string sample = "Once upon a time, 1234 caf\u00e9s <s>\n\n  don't</s> \u4f60\u597d\xff ";
  auto ids = tokenizer->encode(sample + std::string(text));
  if (!ids)
    return;
  for (int32_t id : *ids)
    require(id >= 0 && id < tokenizer->vocabularySize(), "ids are 0 to vocabularySize() - 1");
  ids->insert(ids->end(), {-1, tokenizer->vocabularySize(), 0, tokenizer->vocabularySize() - 1});
  std::string whole = tokenizer->decode(*ids, false), streamed;
  DetokenizeStream stream(*tokenizer, false);
  for (int32_t id : *ids)
    streamed += stream.push(id);
  streamed += stream.finish();
  // Only the number of replacement characters may differ.
  bool isExact = whole.find("\ufffd") == whole.npos && streamed.find("\ufffd") == streamed.npos;
  require(!isExact || whole == streamed, "a stream's parts, put together, are what decode() returns");
}

void fuzz::useTokenizer(const TokenizerSpec &spec, std::string_view text) {
  if (auto segment = serializeTokenizer(spec))
    useSegment(*segment, text, /*mustOpen=*/true);
}
