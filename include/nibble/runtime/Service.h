//===- Service.h - An engine that many threads may ask ------------------------------*- C++ -*-===//
//
// One thread owns the engine and runs step after step; requests come to it from any thread, through a bounded
// queue that says no at once.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Generator.h"
#include <memory>

namespace nibble {

/// How much may wait before it is refused.
struct QueueBound {
  uint32_t requests = 1024;
  uint64_t tokens = 1u << 20; // of the prompts that wait
};

/// Why a request was not taken.
struct Refusal {
  enum class Kind : uint8_t {
    Invalid,  // it can never run; the message says why
    Full,     // the queue is; it may fit later
    Draining, // the service is about to end
  };
  Kind kind = Kind::Invalid;
  std::string message;
  uint32_t retryAfter = 0; // seconds after which trying again makes sense; 0 where it never does
};

/// A moment's state, for metrics and for people.
struct ServiceStatistics {
  uint32_t running = 0, waiting = 0; // requests
  uint64_t waitingTokens = 0;
  uint32_t pages = 0, usedPages = 0; // of the KV cache; prefixes that are only kept do not count as used
  uint32_t idlePages = 0;            // those that hold such prefixes
  uint64_t preemptions = 0;
  uint64_t promptTokens = 0;   // of requests that were admitted
  uint64_t computedTokens = 0; // rows of prompts that went through steps (prefixes found are not computed)
  uint64_t generatedTokens = 0, steps = 0;
  PrefixStatistics prefix;
};

class Service {
public:
  /// `engine` and `tokenizer` must outlive the service. The engine belongs to the service's thread from now
  /// on.
  Service(Engine &engine, const Tokenizer *tokenizer, QueueBound bound = {});
  Service(const Service &) = delete;
  Service &operator=(const Service &) = delete;
  /// Cancels what is left and ends the thread.
  ~Service();

  /// From any thread. The request's callbacks are called on the service's thread: they must be quick, and
  /// must not call the service, except cancel().
  tl::expected<RequestId, Refusal> submit(GenerationRequest request);
  /// From any thread: the request ends before the next step, with reason Cancelled. Nothing happens where it
  /// is finished.
  void cancel(RequestId request);

  ServiceStatistics statistics() const;

  /// From any thread: takes no new requests; those accepted go on.
  void drain();
  bool isDraining() const;
  /// Whether nothing runs or waits.
  bool isIdle() const;
  /// Cancels everything with this reason (Aborted: the client is told that the server goes away).
  void abort();

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace nibble
