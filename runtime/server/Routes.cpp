//===- Routes.cpp - Which request is answered by what -----------------------------------------===//

#include "runtime/server/Routes.h"
#include "runtime/server/Page.h"
#include "runtime/server/Prompts.h"
#include <algorithm>
#include <ctime>

using namespace nibble;
using namespace nibble::server;

// Names of unknown fields that are remembered.
static constexpr size_t kMostWarnings = 256;
// Of a user's name: those who have asked lately are remembered.
static constexpr size_t kMostOwnerBytes = 256;

const Routes::Route Routes::table[] = {
    {.path = "/health", .method = "GET", .answer = &Routes::health, .isOpen = true},
    {.path = "/metrics", .method = "GET", .answer = &Routes::metrics},
    {.path = "/v1/models", .method = "GET", .answer = &Routes::models},
    {.path = "/v1/models/", .method = "GET", .answer = &Routes::model, .isPrefix = true},
    {.path = "/v1/chat/completions", .method = "POST", .answer = &Routes::chat, .isSlow = true},
    {.path = "/v1/completions", .method = "POST", .answer = &Routes::completions, .isSlow = true},
    {.path = "/v1/embeddings", .method = "POST", .answer = &Routes::embeddings},
    {.path = "/tokenize", .method = "POST", .answer = &Routes::tokenize, .isSlow = true},
    {.path = "/detokenize", .method = "POST", .answer = &Routes::detokenize, .isSlow = true},
};

/// The methods of a route for the header Allow.
static std::string allowed(std::string_view method) {
  return method == "GET" ? "GET, HEAD" : std::string(method);
}

const Routes::Route *Routes::find(std::string_view path) {
  auto route = std::find_if(std::begin(table), std::end(table), [&](const Route &entry) {
    return entry.isPrefix ? path.starts_with(entry.path) && path.size() > entry.path.size()
                          : path == entry.path;
  });
  return route == std::end(table) ? nullptr : route;
}

bool Routes::wantsBody(const http::Request &request) const {
  const Route *route = find(request.path);
  return route && request.method == route->method && !backstage.guard.refuse(request) &&
         (route->isOpen || backstage.keys.empty() || backstage.keys.find(request.header("authorization")));
}

void Routes::handle(http::Request request, http::Response response) {
  auto visit = std::make_shared<Visit>(backstage.reception, std::move(request), std::move(response));
  const std::string &path = visit->request().path, &method = visit->request().method;
  if (auto refusal = backstage.guard.refuse(visit->request()))
    return visit->fail(*refusal);
  auto page = pageReply(path, visit->request().header("if-none-match"));
  const Route *route = find(path);
  if (!page && !route)
    return visit->fail(notFound("there is no route " + excerpt(path, 128) +
                                    "; OpenAI's are below /v1: models, chat/completions, completions",
                                "unknown_route"));
  std::string_view expected = page ? "GET" : route->method;
  if (method == "OPTIONS" && !backstage.reception.allowedOrigin.empty())
    return preflight(visit, expected);
  if (method != expected && !(method == "HEAD" && expected == "GET")) {
    http::Reply reply = errorReply({.status = 405,
                                    .message = "the method of " + excerpt(path, 128) + " is " +
                                               std::string(expected) + ", not " + excerpt(method, 16),
                                    .code = "method_not_allowed"});
    reply.headers.emplace_back("Allow", allowed(expected));
    return visit->send(std::move(reply));
  }
  if (page)
    return visit->send({.status = page->status,
                        .contentType = std::string(page->contentType),
                        .body = std::string(page->body),
                        .headers = std::move(page->headers)});
  if (!route->isOpen && !admit(*visit))
    return;
  if (!route->isSlow)
    return (this->*route->answer)(visit);
  if (backstage.service.isDraining())
    return visit->fail(draining(1));
  uint64_t bytes = visit->request().body.size();
  auto task = [this, visit, answer = route->answer] {
    try {
      (this->*answer)(visit);
    } catch (const std::exception &error) { // no memory, for instance
      visit->fail(internal(error.what()));
    }
  };
  if (!backstage.work.push(bytes, std::move(task)))
    visit->fail(overloaded("too many requests wait to be read; try again later", 1));
}

bool Routes::admit(Visit &visit) {
  if (backstage.keys.empty())
    return true;
  auto key = backstage.keys.find(visit.request().header("authorization"));
  if (!key) {
    visit.fail(unauthorized());
    return false;
  }
  // Whoever has a key of his own shares with others by it; users of one key share among themselves.
  if (backstage.keys.size() > 1)
    visit.owner = "key " + std::to_string(*key);
  return true;
}

void Routes::preflight(const VisitPtr &visit, std::string_view methods) {
  visit->send({.status = 204,
               .contentType = "text/plain",
               .body = {},
               .headers = {{"Access-Control-Allow-Methods", allowed(methods) + ", OPTIONS"},
                           {"Access-Control-Allow-Headers", "Authorization, Content-Type, X-Request-Id"},
                           {"Access-Control-Max-Age", "86400"}}});
}

http::Reply Routes::refuse(unsigned status, const std::string &reason) {
  if (status == 413)
    backstage.metrics.rejected(Rejection::TooLarge);
  backstage.metrics.responded(status);
  return errorReply(ofStatus(status, reason));
}

//===- Short answers
//---------------------------------------------------------------------------------------===//

void Routes::health(const VisitPtr &visit) {
  if (backstage.service.isDraining())
    return visit->fail(draining(1));
  visit->sendJson("{\"status\":\"ok\"}\n");
}

void Routes::metrics(const VisitPtr &visit) {
  visit->send({.contentType = std::string(Metrics::contentType),
               .body = backstage.metrics.text(backstage.service.statistics(), backstage.clients()),
               .headers = {}});
}

void Routes::models(const VisitPtr &visit) {
  visit->sendJson(Json({{"object", "list"}, {"data", Json::array({backstage.model.describe()})}}).dump() +
                  "\n");
}

/// "%2F" for "/": names of models have slashes.
static std::string percentDecoded(std::string_view text) {
  auto digit = [](char c) {
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
  };
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      decoded += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

void Routes::model(const VisitPtr &visit) {
  std::string_view path = visit->request().path;
  auto known = backstage.model.checkName(percentDecoded(path.substr(std::string_view("/v1/models/").size())));
  if (!known)
    return visit->fail(known.error());
  visit->sendJson(backstage.model.describe().dump() + "\n");
}

void Routes::embeddings(const VisitPtr &visit) {
  visit->fail(notFound("the model " + excerpt(backstage.model.name, 256) +
                           " generates text and was not trained to give embeddings; serve an embedding model "
                           "for /v1/embeddings",
                       "embeddings_not_offered", "model"));
}

//===- Generations
//-----------------------------------------------------------------------------------------===//

AnswerHead Routes::headOf(std::string_view prefix) const {
  return {.id = newId(prefix),
          .model = backstage.model.name,
          .fingerprint = backstage.model.fingerprint,
          .created = std::time(nullptr)};
}

void Routes::warnOfUnknown(const std::vector<std::string> &fields) {
  for (const std::string &field : fields) {
    std::string name = excerpt(field);
    {
      std::lock_guard lock(mutex);
      if (warned.size() >= kMostWarnings || !warned.insert(name).second)
        continue;
    }
    backstage.warnings.write("warning: a request has the field " + name +
                             ", which means nothing here (said once)");
  }
}

void Routes::generate(const VisitPtr &visit, std::unique_ptr<Answer> answer, Answering::Shape shape,
                      std::vector<GenerationRequest> requests, const GenerationFields &fields) {
  for (GenerationRequest &request : requests) {
    request.owner = visit->owner.empty() ? fields.user.substr(0, kMostOwnerBytes) : visit->owner;
    if (backstage.timeout.count() > 0)
      request.deadline = Clock::now() + backstage.timeout;
  }
  auto answering = std::make_shared<Answering>(visit, std::move(answer), shape, backstage.service,
                                               backstage.mailbox, backstage.metrics);
  answering->submit(std::move(requests));
}

template <typename Asked, typename Prepared>
Answered<Prepared> Routes::prepare(Visit &visit, Answered<Asked> (&parse)(const Json &, const RequestRules &),
                                   Answered<Prepared> (&prepareParsed)(const ServedModel &, Asked),
                                   GenerationFields &fields) {
  NIBBLE_TRY(Json body, parseBody(visit.takeBody()));
  NIBBLE_TRY(Asked request, parse(body, backstage.model.rules));
  warnOfUnknown(request.unknown);
  fields = request.generation;
  NIBBLE_CHECK(backstage.model.checkName(fields.model));
  return prepareParsed(backstage.model, std::move(request));
}

void Routes::chat(const VisitPtr &visit) {
  GenerationFields fields;
  auto prepared = prepare(*visit, parseChatRequest, prepareChat, fields);
  if (!prepared)
    return visit->fail(prepared.error());
  prepared->answer.head = headOf("chatcmpl-");
  Answering::Shape shape = {.choices = fields.choices,
                            .promptTokens = prepared->answer.promptTokens,
                            .streamed = fields.stream,
                            .logprobs = prepared->answer.logprobs};
  std::vector<GenerationRequest> requests;
  requests.push_back(std::move(prepared->generation));
  generate(visit, makeChatAnswer(std::move(prepared->answer)), shape, std::move(requests), fields);
}

void Routes::completions(const VisitPtr &visit) {
  GenerationFields fields;
  auto prepared = prepare(*visit, parseCompletionRequest, prepareCompletion, fields);
  if (!prepared)
    return visit->fail(prepared.error());
  prepared->answer.head = headOf("cmpl-");
  Answering::Shape shape = {.prompts = static_cast<uint32_t>(prepared->generations.size()),
                            .choices = fields.choices,
                            .promptTokens = prepared->answer.promptTokens,
                            .streamed = fields.stream,
                            .logprobs = prepared->answer.logprobs,
                            .dropsTokens = prepared->answer.dropsTokens};
  generate(visit, makeCompletionAnswer(std::move(prepared->answer)), shape, std::move(prepared->generations),
           fields);
}
