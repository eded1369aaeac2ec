//===- Answering.h - A request between the service and its client -------------------*- C++ -*-===//
//
// Hears what the service's thread has to say about the generations of one request, and answers on the event
// loop's thread. Nothing is sent before there is a token, so that whatever goes wrong until then has a status
// of its own; what goes wrong later is an event.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Service.h"
#include "runtime/server/Mailbox.h"
#include "runtime/server/Visit.h"
#include <variant>

namespace nibble::server {

class Answering;

/// The log probabilities of a prompt.
struct HeardPrompt {
  uint32_t prompt = 0;
  std::vector<SampledToken> tokens; // from the second on
};
/// A choice has ended, for whatever reason.
struct HeardEnd {
  EndedChoice choice;
  FinishReason reason = FinishReason::None;
  std::string error;
  uint32_t generated = 0, cached = 0; // tokens; cached ones of the prompt
};
/// A generation was not taken.
struct HeardRefusal {
  ApiError error;
};

struct Letter {
  std::shared_ptr<Answering> to;
  std::variant<HeardToken, HeardPrompt, HeardEnd, HeardRefusal> content;
};

/// The generations of one request, which end together. Any thread may ask.
class Generations {
public:
  explicit Generations(Service &service) : service(service) {}
  void add(RequestId id);
  void cancel();

private:
  Service &service;
  std::mutex mutex;
  std::vector<RequestId> ids;
  bool cancelled = false;
};

class Answering : public std::enable_shared_from_this<Answering> {
public:
  struct Shape {
    uint32_t prompts = 1, choices = 1; // choices of each prompt
    uint64_t promptTokens = 0;         // of all
    bool streamed = false, logprobs = false;
    bool dropsTokens = false; // generated ones are no part of the answer
  };
  Answering(std::shared_ptr<Visit> visit, std::unique_ptr<Answer> answer, Shape shape, Service &service,
            Mailbox<Letter> &mailbox, Metrics &metrics);

  /// Submits a generation for each prompt, from any thread but the service's. What is refused is answered.
  void submit(std::vector<GenerationRequest> requests);
  /// On the event loop's thread. If memory runs out, this answer ends, and no other.
  void open(Letter &letter) noexcept;

private:
  void listen(GenerationRequest &request, uint32_t prompt);
  void take(HeardToken &token);
  void take(HeardPrompt &prompt);
  void take(HeardEnd &end);
  void take(HeardRefusal &refusal);
  void send(std::string events);
  /// So many tokens more are a part of the answer that is not sent before its end. False where they are too
  /// many: the answer has failed.
  bool hold(size_t tokens, size_t alternatives);
  void fail(const ApiError &error);

  std::shared_ptr<Visit> visit;
  std::unique_ptr<Answer> answer;
  const Shape shape;
  Service &service;
  Mailbox<Letter> &mailbox;
  Metrics &metrics;
  std::shared_ptr<Generations> generations;
  Usage usage;
  uint32_t ended = 0;     // choices
  uint64_t heldBytes = 0; // about what an answer takes that is sent at its end
  bool over = false;
};

/// What a refused generation's client is told.
ApiError errorOf(const Refusal &refusal);

} // namespace nibble::server
