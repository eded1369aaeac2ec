//===- Exchange.cpp - An answer on its way from any thread to the event loop ------------------===//

#include "runtime/http/Exchange.h"
#include "runtime/http/Connection.h"
#include <boost/asio/post.hpp>

using namespace nibble;
using namespace nibble::http;

//===- Mailbox ------------------------------------------------------------------------------------------===//

void Mailbox::put(std::shared_ptr<Exchange> exchange) {
  std::lock_guard lock(mutex);
  if (!loop)
    return;
  waiting.push_back(std::move(exchange));
  if (waiting.size() == 1)
    boost::asio::post(*loop, [self = shared_from_this()] { self->deliver(); });
}

void Mailbox::post(std::function<void()> task) {
  std::lock_guard lock(mutex);
  if (loop)
    boost::asio::post(*loop, std::move(task));
}

void Mailbox::close() {
  std::vector<std::shared_ptr<Exchange>> dropped; // not under the lock: what they hold may post
  std::lock_guard lock(mutex);
  loop = nullptr;
  dropped.swap(waiting);
}

void Mailbox::deliver() {
  std::vector<std::shared_ptr<Exchange>> delivered;
  {
    std::lock_guard lock(mutex);
    delivered.swap(waiting);
  }
  for (auto &exchange : delivered)
    if (auto connection = exchange->connection())
      connection->deliver(*exchange);
}

//===- Exchange -----------------------------------------------------------------------------------------===//

void Exchange::send(Reply reply) {
  std::vector<std::function<void()>> dropped; // not under the lock
  bool isNew;
  {
    std::lock_guard lock(mutex);
    if (stage != Stage::Unanswered)
      return;
    stage = Stage::Answered;
    dropped.swap(hangUps);
    news.reply = std::move(reply);
    news.whole = news.finished = true;
    isNew = mark();
  }
  put(isNew);
}

void Exchange::begin(Reply reply) {
  bool isNew;
  {
    std::lock_guard lock(mutex);
    if (stage != Stage::Unanswered)
      return;
    stage = Stage::Streaming;
    news.parts = std::move(reply.body);
    news.reply = std::move(reply);
    isNew = mark();
  }
  put(isNew);
}

void Exchange::write(std::string part) {
  bool isNew;
  {
    std::lock_guard lock(mutex);
    if (stage != Stage::Streaming || part.empty() || news.overflow)
      return;
    // A single part that is larger than the bound is taken where nothing waits.
    uint64_t waits = news.parts.size() + unsent;
    if (waits != 0 && waits + part.size() > waitingBytes) {
      news.parts.clear();
      news.overflow = true;
    } else if (news.parts.empty()) {
      news.parts = std::move(part);
    } else {
      news.parts += part;
    }
    isNew = mark();
  }
  put(isNew);
}

void Exchange::finish() {
  std::vector<std::function<void()>> dropped;
  bool isNew;
  {
    std::lock_guard lock(mutex);
    if (stage != Stage::Streaming || news.overflow)
      return;
    stage = Stage::Answered;
    dropped.swap(hangUps);
    news.finished = true;
    isNew = mark();
  }
  put(isNew);
}

void Exchange::abandon() {
  std::vector<std::function<void()>> dropped;
  bool isNew;
  {
    std::lock_guard lock(mutex);
    if ((stage != Stage::Unanswered && stage != Stage::Streaming) || news.overflow)
      return;
    stage = Stage::Answered;
    dropped.swap(hangUps);
    news.finished = news.abandoned = true;
    isNew = mark();
  }
  put(isNew);
}

void Exchange::onHangUp(std::function<void()> callback) {
  {
    std::lock_guard lock(mutex);
    if (stage == Stage::Answered)
      return;
    if (stage != Stage::Gone) {
      hangUps.push_back(std::move(callback));
      return;
    }
  }
  mailbox->post(std::move(callback));
}

bool Exchange::isOpen() const {
  std::lock_guard lock(mutex);
  return (stage == Stage::Unanswered || stage == Stage::Streaming) && !news.overflow;
}

Exchange::News Exchange::take() {
  std::lock_guard lock(mutex);
  marked = false;
  // Counted as unsent until the connection says better: no moment may come at which they count nowhere.
  unsent += news.parts.size();
  return std::exchange(news, {});
}

bool Exchange::hangUp() {
  std::vector<std::function<void()>> callbacks;
  {
    std::lock_guard lock(mutex);
    if (stage == Stage::Answered || stage == Stage::Gone)
      return stage == Stage::Gone;
    stage = Stage::Gone;
    news = {};
    callbacks.swap(hangUps);
  }
  for (auto &callback : callbacks)
    callback();
  return true;
}

//===- Response -----------------------------------------------------------------------------------------===//

Response::Response(std::shared_ptr<Exchange> exchange)
    : state(std::make_shared<State>(std::move(exchange))) {}

void Response::send(Reply reply) const { state->exchange->send(std::move(reply)); }
void Response::begin(Reply reply) const { state->exchange->begin(std::move(reply)); }
void Response::write(std::string part) const { state->exchange->write(std::move(part)); }
void Response::finish() const { state->exchange->finish(); }
void Response::onHangUp(std::function<void()> callback) const {
  state->exchange->onHangUp(std::move(callback));
}
bool Response::isOpen() const { return state->exchange->isOpen(); }
