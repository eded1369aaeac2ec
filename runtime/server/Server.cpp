//===- Server.cpp - OpenAI's API over one engine ----------------------------------------------===//

#include "runtime/server/Server.h"
#include "runtime/server/Routes.h"
#include <algorithm>
#include <thread>
#include <unistd.h>

using namespace nibble;
using namespace nibble::server;

// Bodies that may wait to be parsed.
static constexpr size_t kMostTasks = 4096;
static constexpr uint64_t kMostTaskBytes = 256u << 20;

/// Members end in reverse: first whoever might still ask the others.
struct server::Server::State {
  std::unique_ptr<ServedModel> model;
  Metrics metrics;
  LogWriter warnings;
  std::unique_ptr<LogWriter> accessLog;
  Reception reception;
  std::optional<http::Server> http; // outlives the service, whose last letters it delivers
  std::optional<Mailbox<Letter>> mailbox;
  std::optional<Service> service;
  std::optional<WorkQueue> work;
  std::optional<Backstage> backstage;
  std::optional<Routes> routes;

  explicit State(std::unique_ptr<ServedModel> given)
      : model(std::move(given)), metrics(model->name, model->context),
        warnings(STDERR_FILENO, false, "standard error") {
    reception.metrics = &metrics;
  }
};

/// A key is what no other site has; without one the browser's own word must do.
static BrowserGuard guardOf(const ServerOptions &options, bool isLoopback) {
  BrowserGuard guard = {.checksHost = isLoopback && options.keys.empty(),
                        .checksOrigin = options.keys.empty(),
                        .hosts = options.allowedHosts,
                        .origin = options.allowedOrigin};
  guard.hosts.push_back(options.address);
  return guard;
}

Result<server::Server> server::Server::start(const Artifact &artifact, Engine &engine,
                                             const Tokenizer *tokenizer, const ServerOptions &options) {
  NIBBLE_TRY(auto model, ServedModel::create(artifact, engine, tokenizer, options.modelName));
  model->toolStyle = options.toolStyle;
  auto state = std::make_unique<State>(std::move(model));
  State *raw = state.get();
  if (!options.accessLog.empty()) {
    NIBBLE_TRY(state->accessLog, LogWriter::open(options.accessLog));
    state->accessLog->onDrop = [raw] { raw->metrics.logWriteFailed(); };
    state->reception.accessLog = state->accessLog.get();
  }
  state->reception.allowedOrigin = options.allowedOrigin;
  auto listening = http::Server::listen(
      options.address, options.port, options.limits,
      [raw](http::Request request, http::Response response) {
        raw->routes->handle(std::move(request), std::move(response));
      },
      [raw](unsigned status, const std::string &reason) { return raw->routes->refuse(status, reason); },
      [raw](const http::Request &request) { return raw->routes->wantsBody(request); });
  if (!listening)
    return tl::unexpected(listening.error());
  state->http.emplace(std::move(*listening));
  state->mailbox.emplace([raw](std::function<void()> task) { raw->http->post(std::move(task)); },
                         [](Letter &letter) { letter.to->open(letter); });
  state->service.emplace(engine, tokenizer, options.bound);
  state->work.emplace(options.parsers, kMostTasks, kMostTaskBytes);
  state->backstage.emplace(Backstage{
      .model = *state->model,
      .service = *state->service,
      .metrics = state->metrics,
      .mailbox = *state->mailbox,
      .work = *state->work,
      .reception = state->reception,
      .warnings = state->warnings,
      .keys = {},
      .guard = guardOf(options, state->http->isLoopback()),
      .timeout = options.timeout,
      .clients = [raw] { return ClientFigures{raw->http->connections(), raw->http->slowClients()}; }});
  for (const std::string &key : options.keys)
    state->backstage->keys.add(key);
  state->routes.emplace(*state->backstage);
  return Server(std::move(state));
}

server::Server::Server(std::unique_ptr<State> state) : state(std::move(state)) {}
server::Server::Server(Server &&) noexcept = default;
server::Server::~Server() {
  if (!state)
    return;
  state->work->stop(); // it submits to the service
  state->service.reset();
}

uint16_t server::Server::port() const { return state->http->port(); }
bool server::Server::isLoopback() const { return state->http->isLoopback(); }
const std::string &server::Server::modelName() const { return state->model->name; }
bool server::Server::canChat() const { return state->model->templates.has_value(); }
void server::Server::run() { state->http->run(); }
void server::Server::drain() { state->service->drain(); }
bool server::Server::isIdle() const { return state->service->isIdle() && state->reception.visits == 0; }
void server::Server::abort() { state->service->abort(); }

void server::Server::end(std::chrono::milliseconds patience) {
  state->http->stopAccepting();
  auto until = Clock::now() + patience;
  while (state->http->connections() > 0 && Clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  state->http->stop();
}
