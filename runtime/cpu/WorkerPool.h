//===- WorkerPool.h - Threads that run a step together ------------------------------*- C++ -*-===//
//
// Persistent threads that meet at one barrier: the caller is worker 0. A waiting worker spins for about as
// long as a dispatch takes and then sleeps on a futex: pure spinning collapses when a neighbour takes a core
// (reference/KERNELS-CPU.md, "Why the peers fall short").
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace nibble {

/// Lets a fixed number of threads wait for each other, any number of times.
class SpinBarrier {
public:
  SpinBarrier(uint32_t threads, uint32_t spins) : threads(threads), spins(spins) {}
  /// Returns once all threads have called it. Everything that any of them wrote before is visible after.
  void wait();

private:
  const uint32_t threads, spins;
  alignas(64) std::atomic<uint32_t> arrived{0};
  alignas(64) std::atomic<uint32_t> phase{0};
  std::atomic<uint32_t> sleepers{0};
};

/// CPUs that this process may run on (its affinity mask), one for each physical core where threads share
/// cores.
std::vector<uint32_t> usableCores();
/// The number of workers to use unless told otherwise: usable cores, within the control group's CPU quota.
uint32_t defaultThreads();

class WorkerPool {
public:
  /// Starts `threads` - 1 threads (at least 1 worker: the caller). Where there is a core for each worker,
  /// each is bound to its own: the thread that calls run() too, from its first call on until the pool goes.
  explicit WorkerPool(uint32_t threads);
  ~WorkerPool();
  WorkerPool(const WorkerPool &) = delete;
  WorkerPool &operator=(const WorkerPool &) = delete;

  uint32_t size() const { return count; }

  /// Every worker calls job(context, worker); returns when all have returned. Always from the same thread.
  void run(void (*job)(void *context, uint32_t worker), void *context);
  /// Inside a job: all workers meet here.
  void meet() {
    if (count > 1)
      barrier.wait();
  }

private:
  void work(uint32_t worker);

  static constexpr uint32_t kAnyCore = UINT32_MAX;
  const uint32_t count;
  SpinBarrier barrier;
  void (*job)(void *, uint32_t) = nullptr; // null tells the threads to end
  void *context = nullptr;
  uint32_t callerCore = kAnyCore;    // to be bound to
  std::vector<uint32_t> callerCores; // its affinity before it was bound; empty if it was not
  std::thread::id caller;            // where it was
  std::vector<std::thread> threads;
};

} // namespace nibble
