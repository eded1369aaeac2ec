//===- WorkerPool.cpp - Threads that run a step together --------------------------------------===//

#include "runtime/cpu/WorkerPool.h"
#include <algorithm>
#include <climits>
#include <csignal>
#include <cstdio>
#include <linux/futex.h>
#include <sched.h>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

using namespace nibble;

// A pause is 40 (Zen) to 140 (Intel) cycles: some 50 to 100 microseconds, more than the gap between two
// steps.
static constexpr uint32_t kSpins = 2000;

static void pauseOnce() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void futexWait(std::atomic<uint32_t> &word, uint32_t value) {
  static_assert(sizeof(word) == 4);
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

static void futexWakeAll(std::atomic<uint32_t> &word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void SpinBarrier::wait() {
  // The phase cannot move on before this thread has arrived, so reading it first is safe.
  uint32_t now = phase.load(std::memory_order_relaxed);
  if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == threads) {
    arrived.store(0, std::memory_order_relaxed);
    // Sequentially consistent against the sleepers below: either this sees a sleeper, or the sleeper sees the
    // phase.
    phase.store(now + 1, std::memory_order_seq_cst);
    if (sleepers.load(std::memory_order_seq_cst) != 0)
      futexWakeAll(phase);
    return;
  }
  for (uint32_t i = 0; i < spins; ++i) {
    if (phase.load(std::memory_order_acquire) != now)
      return;
    pauseOnce();
  }
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (phase.load(std::memory_order_seq_cst) == now)
    futexWait(phase, now);
  sleepers.fetch_sub(1, std::memory_order_relaxed);
}

static void bindThisThread(const std::vector<uint32_t> &cores);
static std::vector<uint32_t> allowedProcessors();

WorkerPool::WorkerPool(uint32_t wanted)
    : count(wanted ? wanted : 1), barrier(count, count <= allowedProcessors().size() ? kSpins : 0) {
  std::vector<uint32_t> cores = usableCores();
  // With fewer workers than cores the system balances better than we can: other processes may be bound to the
  // first.
  bool bind = count > 1 && count == cores.size();
  if (bind)
    callerCore = cores[0];
  // Requests to stop are the caller's: one that a worker took would not wake the caller from a wait for
  // input.
  sigset_t requests, before;
  sigemptyset(&requests);
  for (int request : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
    sigaddset(&requests, request);
  ::pthread_sigmask(SIG_BLOCK, &requests, &before);
  for (uint32_t worker = 1; worker < count; ++worker)
    threads.emplace_back([this, worker, core = bind ? cores[worker] : kAnyCore] {
      if (core != kAnyCore)
        bindThisThread({core});
      work(worker);
    });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

WorkerPool::~WorkerPool() {
  job = nullptr;
  meet();
  for (std::thread &thread : threads)
    thread.join();
  if (caller == std::this_thread::get_id())
    bindThisThread(callerCores);
}

void WorkerPool::work(uint32_t worker) {
  while (true) {
    barrier.wait();
    if (!job)
      return;
    job(context, worker);
    barrier.wait();
  }
}

void WorkerPool::run(void (*newJob)(void *, uint32_t), void *newContext) {
  if (callerCore != kAnyCore) {
    callerCores = allowedProcessors();
    caller = std::this_thread::get_id();
    bindThisThread({std::exchange(callerCore, kAnyCore)});
  }
  job = newJob;
  context = newContext;
  meet();
  newJob(newContext, 0);
  meet();
}

//===- Which cores ------------------------------------------------------------------------------------===//

static std::vector<uint32_t> allowedProcessors() {
  std::vector<uint32_t> result;
  // The mask's size is the machine's: grow until the system accepts it.
  for (int processors = 1024; processors <= 1 << 20; processors *= 4) {
    cpu_set_t *set = CPU_ALLOC(processors);
    size_t size = CPU_ALLOC_SIZE(processors);
    bool known = set && ::sched_getaffinity(0, size, set) == 0;
    for (int i = 0; known && i < processors; ++i)
      if (CPU_ISSET_S(i, size, set))
        result.push_back(static_cast<uint32_t>(i));
    if (set)
      CPU_FREE(set);
    if (known)
      break;
  }
  return result;
}

static void bindThisThread(const std::vector<uint32_t> &cores) {
  uint32_t processors = 1;
  for (uint32_t core : cores)
    processors = std::max(processors, core + 1);
  cpu_set_t *set = CPU_ALLOC(processors);
  if (!set)
    return;
  size_t size = CPU_ALLOC_SIZE(processors);
  CPU_ZERO_S(size, set);
  for (uint32_t core : cores)
    CPU_SET_S(core, size, set);
  ::sched_setaffinity(0, size, set); // a wish: an unbound worker works too
  CPU_FREE(set);
}

std::vector<uint32_t> nibble::usableCores() {
  std::vector<uint32_t> result;
  std::vector<std::string> seen;
  for (uint32_t processor : allowedProcessors()) {
    std::string path =
        "/sys/devices/system/cpu/cpu" + std::to_string(processor) + "/topology/thread_siblings_list";
    std::string siblings = "cpu" + std::to_string(processor);
    if (FILE *file = std::fopen(path.c_str(), "re")) {
      char line[256];
      if (std::fgets(line, sizeof(line), file))
        siblings = line;
      std::fclose(file);
    }
    if (std::find(seen.begin(), seen.end(), siblings) == seen.end()) {
      seen.push_back(siblings);
      result.push_back(processor);
    }
  }
  return result;
}

uint32_t nibble::defaultThreads() {
  auto cores = static_cast<uint32_t>(usableCores().size());
  if (FILE *file = std::fopen("/sys/fs/cgroup/cpu.max", "re")) {
    unsigned long long quota = 0, period = 0;
    if (std::fscanf(file, "%llu %llu", &quota, &period) == 2 && period > 0)
      cores = std::min(cores, static_cast<uint32_t>(std::max(1ull, (quota + period - 1) / period)));
    std::fclose(file);
  }
  return std::max(cores, 1u);
}
