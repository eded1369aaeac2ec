//===- Answering.cpp - A request between the service and its client ---------------------------===//

#include "runtime/server/Answering.h"

using namespace nibble;
using namespace nibble::server;

// What an answer in one piece may come to, and about what a log probability takes in it.
static constexpr uint64_t kMostHeldBytes = 64u << 20, kLogprobBytes = 96;

ApiError server::errorOf(const Refusal &refusal) {
  switch (refusal.kind) {
  case Refusal::Kind::Full:
    return overloaded(refusal.message, std::max(refusal.retryAfter, 1u));
  case Refusal::Kind::Draining:
    return draining(std::max(refusal.retryAfter, 1u));
  default:
    return {.message = refusal.message};
  }
}

void Generations::add(RequestId id) {
  std::lock_guard lock(mutex);
  if (cancelled)
    service.cancel(id);
  else
    ids.push_back(id);
}

void Generations::cancel() {
  std::lock_guard lock(mutex);
  cancelled = true;
  for (RequestId id : ids)
    service.cancel(id);
  ids.clear();
}

Answering::Answering(std::shared_ptr<Visit> visit, std::unique_ptr<Answer> answer, Shape shape,
                     Service &service, Mailbox<Letter> &mailbox, Metrics &metrics)
    : visit(std::move(visit)), answer(std::move(answer)), shape(shape), service(service), mailbox(mailbox),
      metrics(metrics), generations(std::make_shared<Generations>(service)) {
  usage.promptTokens = shape.promptTokens;
  // The callback must not hold the visit, whose response holds the callback.
  this->visit->onHangUp([generations = generations] { generations->cancel(); });
}

void Answering::submit(std::vector<GenerationRequest> requests) {
  for (uint32_t prompt = 0; prompt < requests.size(); ++prompt) {
    listen(requests[prompt], prompt);
    auto id = service.submit(std::move(requests[prompt]));
    if (!id) {
      generations->cancel();
      mailbox.put({shared_from_this(), HeardRefusal{errorOf(id.error())}});
      return;
    }
    generations->add(*id);
  }
}

void Answering::listen(GenerationRequest &request, uint32_t prompt) {
  auto self = shared_from_this();
  auto meter = std::make_shared<Metrics::Request>(metrics, request.choices);
  uint32_t first = prompt * shape.choices; // of this prompt's choices
  // An answer in one piece needs no tokens, unless it shows them.
  bool hearsTokens = shape.streamed || shape.logprobs;
  request.onToken = [self, meter, first, hearsTokens](const TokenEvent &event) {
    meter->token(event.choice);
    if (hearsTokens)
      self->mailbox.put(
          {self, HeardToken{first + event.choice, event.token, std::string(event.text), event.ends}});
  };
  request.onFinish = [self, meter, first](uint32_t choice, const GenerationResult &result,
                                          std::string_view rest) {
    meter->finish(choice, result);
    HeardEnd end = {.choice = {.choice = first + choice,
                               .reason = result.reason == FinishReason::Stop ? "stop" : "length",
                               .text = self->shape.streamed ? std::string() : result.text,
                               .rest = std::string(rest)},
                    .reason = result.reason,
                    .error = result.error,
                    .generated = static_cast<uint32_t>(result.tokens.size()),
                    .cached = choice == 0 ? result.cachedTokens : 0};
    self->mailbox.put({self, std::move(end)});
  };
  if (request.promptLogprobs >= 0)
    request.onPrompt = [self, prompt](std::span<const SampledToken> tokens) {
      self->mailbox.put({self, HeardPrompt{prompt, {tokens.begin(), tokens.end()}}});
    };
}

void Answering::open(Letter &letter) noexcept {
  try {
    if (!over)
      std::visit([this](auto &content) { take(content); }, letter.content);
  } catch (const std::exception &) {
    over = true; // the client learns of it by the missing end
    generations->cancel();
    visit.reset();
  }
}

bool Answering::hold(size_t tokens, size_t alternatives) {
  heldBytes += tokens * (1 + alternatives) * kLogprobBytes;
  if (heldBytes <= kMostHeldBytes)
    return true;
  fail({.message =
            "the answer with its log probabilities would be larger than " +
            std::to_string(kMostHeldBytes >> 20) +
            " MiB; ask for fewer of them, for less text or for fewer choices in one request, or stream it",
        .param = "logprobs",
        .code = "answer_too_large"});
  return false;
}

void Answering::take(HeardToken &token) {
  if (shape.streamed || hold(1, token.token.top.size()))
    send(answer->hear(token));
}

void Answering::take(HeardPrompt &prompt) {
  // A stream has them in the first events of its choices.
  if (!prompt.tokens.empty() && !hold(prompt.tokens.size() * shape.choices, prompt.tokens.front().top.size()))
    return;
  for (uint32_t choice = 0; choice < shape.choices; ++choice)
    answer->hearPrompt(prompt.prompt * shape.choices + choice, prompt.tokens);
}

void Answering::take(HeardEnd &end) {
  if (!shape.dropsTokens)
    usage.completionTokens += end.generated;
  usage.cachedTokens += end.cached;
  visit->setUsage(usage);
  if (end.reason == FinishReason::Cancelled) // the client has gone; the log wants to know what it cost
    return;
  if (end.reason == FinishReason::Aborted)
    return fail(draining(1));
  if (end.reason == FinishReason::Failed)
    return fail(internal(end.error.empty() ? "the generation failed" : end.error));
  if (end.reason == FinishReason::Deadline && end.generated == 0)
    return fail({.status = 503,
                 .message = "the server did not come to this request in the time that it gives to one",
                 .type = "server_error",
                 .code = "deadline_exceeded",
                 .retryAfter = 1});
  std::string events = answer->end(end.choice);
  if (++ended < shape.prompts * shape.choices)
    return send(std::move(events));
  over = true;
  if (!shape.streamed)
    return visit->sendJson(answer->close(usage));
  events += answer->close(usage);
  if (visit->hasBegun())
    return visit->finish(std::move(events));
  visit->beginEvents(std::move(events));
  visit->finish({});
}

void Answering::take(HeardRefusal &refusal) { fail(refusal.error); }

void Answering::send(std::string events) {
  if (events.empty())
    return;
  if (visit->hasBegun())
    visit->write(std::move(events));
  else
    visit->beginEvents(std::move(events));
}

void Answering::fail(const ApiError &error) {
  over = true;
  generations->cancel();
  if (!visit->hasBegun())
    return visit->fail(error);
  std::string events;
  appendEvent(events, errorJson(error));
  visit->finish(events.append(kDoneEvent));
}
