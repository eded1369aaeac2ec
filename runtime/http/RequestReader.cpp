//===- RequestReader.cpp - One request off a stream of bytes ----------------------------------===//

#include "runtime/http/RequestReader.h"
#include "runtime/http/Text.h"
#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>

using namespace nibble;
using namespace nibble::http;
namespace beast = boost::beast;
namespace asio = boost::asio;

namespace {

/// Each header costs some hundred bytes besides its text.
constexpr size_t kMostHeaders = 256;

std::string text(beast::string_view view) { return {view.data(), view.size()}; }

} // namespace

/// Fills a Request as it parses. Bodies grow with what comes and not with what a client announces.
class RequestReader::Parser final : public beast::http::basic_parser<true> {
public:
  explicit Parser(const Limits &limits) : limits(limits) {
    header_limit(limits.headerBytes);
    body_limit(limits.bodyBytes);
  }

  size_t take(std::string_view bytes);

  const Limits limits;
  Stage stage = Stage::Waiting;
  Refused refused;
  Request request;
  bool expectsContinue = false, keepsAlive = false, isHTTP11 = false;

private:
  void fail(unsigned status, std::string reason) {
    if (stage != Stage::Failed)
      refused = {status, std::move(reason)};
    stage = Stage::Failed;
  }
  void fail(beast::error_code code);
  /// What the header as a whole must not be.
  void checkHeader();
  void checkTarget();

  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target, int version,
                       beast::error_code &) override {
    request.method = text(method);
    request.path = text(target);
    isHTTP11 = version == 11;
  }
  void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                     beast::error_code &code) override {
    if (stage == Stage::Body)
      return; // a trailer must not pass for a header
    if (request.headers.size() == kMostHeaders) {
      fail(431, "the request has more than " + std::to_string(kMostHeaders) + " headers");
      code = beast::http::error::header_limit;
      return;
    }
    request.headers.emplace_back(text(name), text(value));
  }
  size_t append(beast::string_view part) {
    request.body.append(part.data(), part.size());
    return part.size();
  }
  size_t on_body_impl(beast::string_view part, beast::error_code &) override { return append(part); }
  size_t on_chunk_body_impl(uint64_t, beast::string_view part, beast::error_code &) override {
    return append(part);
  }
  void on_header_impl(beast::error_code &) override {}
  void on_body_init_impl(const boost::optional<uint64_t> &, beast::error_code &) override {}
  void on_chunk_header_impl(uint64_t, beast::string_view, beast::error_code &) override {}
  void on_finish_impl(beast::error_code &) override {}
  void on_response_impl(int, beast::string_view, int, beast::error_code &) override {}

  size_t headerTaken = 0; // bytes of the header that are parsed
};

void RequestReader::Parser::fail(beast::error_code code) {
  if (code == beast::http::error::header_limit)
    fail(431, "the request's headers are larger than " + std::to_string(limits.headerBytes) + " bytes");
  else if (code == beast::http::error::body_limit)
    fail(413, "the request's body is larger than " + std::to_string(limits.bodyBytes) + " bytes");
  else if (code == beast::http::error::bad_version)
    fail(400, "the request is not of HTTP/1.0 or HTTP/1.1");
  else
    fail(400, "the request is not valid HTTP: " + code.message());
}

void RequestReader::Parser::checkTarget() {
  std::string &path = request.path;
  constexpr std::string_view kScheme = "http://";
  if (equalsIgnoringCase(std::string_view(path).substr(0, kScheme.size()), kScheme)) {
    size_t slash =
        path.find_first_of("/?", kScheme.size()); // as a proxy is asked; the host is of no interest
    path = slash == std::string::npos ? "/" : path.substr(slash);
    if (path[0] == '?')
      path.insert(0, 1, '/');
  }
  if (path[0] != '/' && !(path == "*" && request.method == "OPTIONS"))
    return fail(400, "the request's target must begin with '/'");
  if (size_t question = path.find('?'); question != std::string::npos) {
    request.query = path.substr(question + 1);
    path.resize(question);
  }
}

void RequestReader::Parser::checkHeader() {
  size_t lengths = 0, codings = 0, hosts = 0;
  std::string_view coding, length;
  for (auto &[name, value] : request.headers) {
    if (equalsIgnoringCase(name, "Content-Length"))
      ++lengths, length = value;
    else if (equalsIgnoringCase(name, "Transfer-Encoding"))
      ++codings, coding = value;
    else if (equalsIgnoringCase(name, "Host"))
      ++hosts;
    else if (equalsIgnoringCase(name, "Expect")) {
      expectsContinue = isHTTP11 && equalsIgnoringCase(value, "100-continue");
      if (isHTTP11 && !expectsContinue)
        return fail(417, "the request expects '" + value + "'; only 100-continue is known");
    }
  }
  // Whoever stands between client and server may read such a request in another way: it is never guessed
  // where its body ends.
  if (lengths + codings > 1)
    return fail(400, "the request says more than once how long its body is");
  if (lengths && !std::all_of(length.begin(), length.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return fail(400, "the request's Content-Length is not a number");
  if (codings && !isHTTP11)
    return fail(400, "the request has a Transfer-Encoding, which HTTP/1.0 does not know");
  if (codings && (!equalsIgnoringCase(coding, "chunked") || !chunked()))
    return fail(501, "the request's Transfer-Encoding is not known; only chunked is");
  if (hosts > 1 || (isHTTP11 && hosts == 0))
    return fail(400, "the request must have one Host header");
  checkTarget();
}

size_t RequestReader::Parser::take(std::string_view bytes) {
  size_t taken = 0;
  auto rest = [&] { return bytes.substr(taken); };
  if (stage == Stage::Waiting) {
    // Some clients end a body with a line break that does not belong to it.
    taken = std::min(bytes.find_first_not_of("\r\n"), bytes.size());
    if (!rest().empty())
      stage = Stage::Header;
  }
  while (stage == Stage::Header && !rest().empty()) {
    // The library's own limit counts anew behind the first line.
    size_t room = limits.headerBytes - std::min<size_t>(headerTaken, limits.headerBytes);
    std::string_view window = rest().substr(0, room);
    beast::error_code code;
    size_t count = put(asio::const_buffer(window.data(), window.size()), code);
    taken += count;
    headerTaken += count;
    if (code == beast::http::error::need_more) {
      if (window.size() - count + headerTaken >= limits.headerBytes)
        fail(beast::http::error::header_limit);
      return taken;
    }
    if (code) {
      fail(code);
      return taken;
    }
    if (!is_header_done())
      continue;
    keepsAlive = keep_alive();
    checkHeader();
    if (stage != Stage::Failed)
      stage = is_done() ? Stage::Done : Stage::Body;
  }
  while (stage == Stage::Body && !rest().empty()) {
    beast::error_code code;
    size_t count = put(asio::const_buffer(rest().data(), rest().size()), code);
    taken += count;
    if (code == beast::http::error::need_more || (!code && count == 0 && !is_done())) {
      if (rest().size() > limits.headerBytes) // a chunk's extensions or the trailer
        fail(400, "a chunk's header is larger than " + std::to_string(limits.headerBytes) + " bytes");
      return taken;
    }
    if (code)
      fail(code);
    else if (is_done())
      stage = Stage::Done;
  }
  return taken;
}

RequestReader::RequestReader(const Limits &limits) : parser(std::make_unique<Parser>(limits)) {}
RequestReader::RequestReader(RequestReader &&) noexcept = default;
RequestReader &RequestReader::operator=(RequestReader &&) noexcept = default;
RequestReader::~RequestReader() = default;

size_t RequestReader::take(std::string_view bytes) { return parser->take(bytes); }
RequestReader::Stage RequestReader::stage() const { return parser->stage; }
const Refused &RequestReader::refused() const { return parser->refused; }
uint64_t RequestReader::bodyBytes() const { return parser->request.body.size(); }
bool RequestReader::expectsContinue() const { return parser->expectsContinue; }
bool RequestReader::keepsAlive() const { return parser->keepsAlive; }
bool RequestReader::isHTTP11() const { return parser->isHTTP11; }
const Request &RequestReader::request() const { return parser->request; }
Request RequestReader::takeRequest() { return std::move(parser->request); }
