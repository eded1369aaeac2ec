//===- WorkQueue.h - A few threads for parsing --------------------------------------*- C++ -*-===//
//
// Parsing, rendering and tokenizing may take milliseconds: they happen here, not on the event loop and not on
// the engine's thread. What waits is bounded.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace nibble::server {

class WorkQueue {
public:
  WorkQueue(uint32_t threads, size_t mostTasks, uint64_t mostBytes);
  WorkQueue(const WorkQueue &) = delete;
  WorkQueue &operator=(const WorkQueue &) = delete;
  ~WorkQueue() { stop(); }

  /// False, and the task is dropped, where too much waits. `bytes` is what the task holds.
  bool push(uint64_t bytes, std::function<void()> task);
  /// Waits for the tasks that run; those that wait are dropped.
  void stop();

private:
  struct Task {
    uint64_t bytes = 0;
    std::function<void()> run;
  };
  void work();

  const size_t mostTasks;
  const uint64_t mostBytes;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Task> tasks;
  uint64_t bytes = 0; // of tasks
  bool stopping = false;
  std::vector<std::thread> threads;
};

} // namespace nibble::server
