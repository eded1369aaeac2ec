//===- Server.h - OpenAI's API over one engine --------------------------------------*- C++ -*-===//
//
// Owns the service that runs requests, the port that they come by, and everything between. The order in which
// all of that ends is its business alone.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Service.h"
#include "runtime/http/Server.h"
#include "runtime/server/ToolCalls.h"
#include <chrono>

namespace nibble::server {

struct ServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 8080;                  // 0: any
  std::string modelName;                 // empty: that of the artifact's file
  std::vector<std::string> keys;         // none: everybody may ask
  std::string allowedOrigin;             // of browsers' scripts; empty: none
  std::vector<std::string> allowedHosts; // names besides this machine's own (BrowserGuard)
  std::string accessLog;                 // a file, or "-"; empty: none
  std::chrono::milliseconds timeout{0};  // of a request's generation; 0: none
  std::optional<ToolStyle> toolStyle;    // else the chat template's own
  QueueBound bound;
  http::Limits limits;
  uint32_t parsers = 2; // threads
};

class Server {
public:
  /// Listens, and takes the engine over. Artifact, engine and tokenizer (null: none) must outlive it.
  static Result<Server> start(const Artifact &artifact, Engine &engine, const Tokenizer *tokenizer,
                              const ServerOptions &options);
  Server(Server &&) noexcept;
  Server &operator=(Server &&) = delete;
  ~Server();

  uint16_t port() const;
  /// Whether the address can be reached from this machine alone.
  bool isLoopback() const;
  const std::string &modelName() const;
  /// Whether the model has a chat template, without which only texts can be continued.
  bool canChat() const;
  /// Serves on the calling thread until end().
  void run();

  // From any thread, in this order:
  /// New requests get 503; those accepted go on.
  void drain();
  /// Whether every request is answered.
  bool isIdle() const;
  /// What is not answered yet gets an error.
  void abort();
  /// No more connections; those that are open are closed behind their answers. Waits for that, but not longer
  /// than `patience`; then run() returns.
  void end(std::chrono::milliseconds patience);

private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace nibble::server
