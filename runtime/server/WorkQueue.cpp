//===- WorkQueue.cpp - A few threads for parsing ----------------------------------------------===//

#include "runtime/server/WorkQueue.h"
#include <pthread.h>

using namespace nibble::server;

WorkQueue::WorkQueue(uint32_t count, size_t mostTasks, uint64_t mostBytes)
    : mostTasks(mostTasks), mostBytes(mostBytes) {
  for (uint32_t i = 0; i < count; ++i) {
    threads.emplace_back([this] { work(); });
    ::pthread_setname_np(threads.back().native_handle(), "nibble-parse");
  }
}

bool WorkQueue::push(uint64_t size, std::function<void()> task) {
  {
    std::lock_guard lock(mutex);
    if (stopping || tasks.size() >= mostTasks || (bytes > 0 && bytes + size > mostBytes))
      return false;
    bytes += size;
    tasks.push_back({size, std::move(task)});
  }
  changed.notify_one();
  return true;
}

void WorkQueue::work() {
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return stopping || !tasks.empty(); });
    if (stopping)
      return;
    Task task = std::move(tasks.front());
    tasks.pop_front();
    lock.unlock();
    task.run();
    task.run = nullptr;
    lock.lock();
    bytes -= task.bytes;
  }
}

void WorkQueue::stop() {
  std::deque<Task> dropped; // destroyed without the lock: their requests are answered then
  {
    std::lock_guard lock(mutex);
    stopping = true;
    dropped.swap(tasks);
  }
  changed.notify_all();
  for (std::thread &thread : threads)
    if (thread.joinable())
      thread.join();
}
