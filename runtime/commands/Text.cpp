//===- Text.cpp - Files and standard input of the verbs ---------------------------------------===//

#include "runtime/commands/Text.h"
#include "nibble/runtime/Json.h"
#include "nibble/runtime/MappedFile.h"
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <unistd.h>

using namespace nibble;
using Json = nlohmann::ordered_json;

static constexpr uint64_t kMostInputBytes = 1u << 30;

Result<Json> nibble::readOrderedJsonFile(const std::string &path) {
  NIBBLE_TRY(auto file, MappedFile::open(path));
  return parseOrderedJson(file.text(), path);
}

Result<std::string> nibble::readStandardInput() {
  std::string text;
  char buffer[1 << 16];
  while (true) {
    ssize_t count = ::read(STDIN_FILENO, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return failure(std::string("standard input: cannot read: ") + std::strerror(errno));
    if (count == 0)
      return text;
    if (text.size() + static_cast<size_t>(count) > kMostInputBytes)
      return failure("standard input: has more than 1 GiB; cut it into parts");
    text.append(buffer, static_cast<size_t>(count));
  }
}
