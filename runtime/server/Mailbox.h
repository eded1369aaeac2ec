//===- Mailbox.h - From the engine's thread to the event loop -----------------------*- C++ -*-===//
//
// The engine's thread leaves letters and goes on; the event loop is woken once for all that have come until
// it looks, so a step with a thousand tokens costs it one wake-up.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace nibble::server {

template <typename Letter> class Mailbox {
public:
  /// `post` runs a task on the event loop's thread, soon; `open` hears each letter there, in order, and
  /// throws nothing.
  Mailbox(std::function<void(std::function<void()>)> post, std::function<void(Letter &)> open)
      : state(std::make_shared<State>(std::move(open))), post(std::move(post)) {}

  /// From any thread.
  void put(Letter letter) {
    bool first;
    {
      std::lock_guard lock(state->mutex);
      first = state->letters.empty();
      state->letters.push_back(std::move(letter));
    }
    if (first)
      post([state = state] { state->empty(); });
  }

private:
  struct State {
    explicit State(std::function<void(Letter &)> open) : open(std::move(open)) {}
    void empty() {
      {
        std::lock_guard lock(mutex);
        read.swap(letters);
      }
      for (Letter &letter : read)
        open(letter);
      read.clear();
    }
    std::function<void(Letter &)> open;
    std::mutex mutex;
    std::vector<Letter> letters; // since the event loop last looked
    std::vector<Letter> read;    // its own: keeps its memory from time to time
  };
  std::shared_ptr<State> state;
  std::function<void(std::function<void()>)> post;
};

} // namespace nibble::server
