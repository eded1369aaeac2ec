//===- RequestFuzz.cpp - Requests of HTTP, in pieces of any size ------------------------------===//

#include "Fuzz.h"
#include "runtime/http/RequestReader.h"

using namespace nibble;
using http::RequestReader;
using Stage = RequestReader::Stage;

namespace {

constexpr uint32_t kHeaderBytes = 512;
constexpr uint64_t kBodyBytes = 1024;

/// What a connection reads off `bytes`, which come in pieces of `step`: the requests, and how it ended.
struct Session {
  std::vector<http::Request> requests;
  unsigned refused = 0; // the status
  Stage stage = Stage::Waiting;
};

Session readAll(std::string_view bytes, size_t step) {
  http::Limits limits;
  limits.headerBytes = kHeaderBytes;
  limits.bodyBytes = kBodyBytes;
  Session session;
  RequestReader reader(limits);
  size_t held = 0; // bytes in front of what has come that were not taken
  while (!bytes.empty()) {
    size_t come = std::min(held + step, bytes.size());
    size_t taken = reader.take(bytes.substr(0, come));
    fuzz::require(taken <= come, "no more is taken than there is");
    bytes.remove_prefix(taken);
    held = come - taken;
    session.stage = reader.stage();
    if (session.stage == Stage::Failed) {
      session.refused = reader.refused().status;
      fuzz::require(session.refused >= 400 && session.refused < 600, "a refusal has a status");
      fuzz::require(!reader.refused().reason.empty(), "a refusal says why");
      break;
    }
    fuzz::require(reader.bodyBytes() <= kBodyBytes, "bodies stay within their limit");
    if (session.stage == Stage::Done) {
      session.requests.push_back(reader.takeRequest());
      reader = RequestReader(limits);
      held = 0; // they may hold the next one
      continue;
    }
    fuzz::require(held <= kHeaderBytes, "what is held back is bounded");
    if (taken == 0 && come == bytes.size())
      break;
  }
  return session;
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view bytes = fuzz::text(data, size);
  Session whole = readAll(bytes, std::max<size_t>(bytes.size(), 1));
  for (http::Request &request : whole.requests) {
    fuzz::require(!request.method.empty() && !request.path.empty(), "a request asks for something");
    for (auto &[name, value] : request.headers)
      fuzz::require(name.find_first_of(std::string_view("\r\n\0: ", 5)) == std::string::npos &&
                        value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
                    "headers are one line");
    fuzz::require(!request.header("Content-Length").data() || !request.header("Transfer-Encoding").data(),
                  "a body's end is told once");
  }
  for (size_t step : {1, 7}) {
    Session pieces = readAll(bytes, step);
    // What is wrong may be noticed later, at the header's end or at its limit, but it is noticed.
    bool isOpen = pieces.stage == Stage::Header;
    fuzz::require(isOpen || (pieces.refused != 0) == (whole.refused != 0),
                  "pieces change nothing in what is refused");
    fuzz::require(pieces.requests.size() == whole.requests.size(), "pieces make no other requests");
    for (size_t i = 0; i < whole.requests.size(); ++i)
      fuzz::require(pieces.requests[i].method == whole.requests[i].method &&
                        pieces.requests[i].path == whole.requests[i].path &&
                        pieces.requests[i].query == whole.requests[i].query &&
                        pieces.requests[i].headers == whole.requests[i].headers &&
                        pieces.requests[i].body == whole.requests[i].body,
                    "pieces change nothing in a request");
  }
  return 0;
}
