//===- BackgroundCopy.cpp - Weights move to huge pages while the model runs -------------------===//

#include "runtime/memory/BackgroundCopy.h"
#include "runtime/memory/PageSizes.h"
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace nibble;

// What is read between two looks at whether to go on: a few milliseconds.
static constexpr uint64_t kPieceBytes = 8u << 20;
// What is left to others, at least: nobody waits for the copy.
static constexpr uint64_t kReserveBytes = 256u << 20;
// The workers go first. Half of the way to idle: at 19 a copy of a gigabyte beside busy workers takes
// minutes.
static constexpr int kNice = 10;

BackgroundCopy::BackgroundCopy(std::string path, uint64_t offset, uint64_t size, const void *mapped)
    : path(std::move(path)), offset(offset), size(size), mapped(mapped) {
  // Requests to stop are the main thread's (WorkerPool.cpp).
  sigset_t requests, before;
  sigemptyset(&requests);
  for (int request : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
    sigaddset(&requests, request);
  ::pthread_sigmask(SIG_BLOCK, &requests, &before);
  thread = std::thread([this] { work(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

BackgroundCopy::~BackgroundCopy() {
  stopping = true;
  if (thread.joinable())
    thread.join();
}

bool BackgroundCopy::isMemoryFree(uint64_t wanted) const {
  uint64_t available = availableMemory();
  return available > kReserveBytes && available - kReserveBytes >= wanted;
}

void BackgroundCopy::work() {
  auto self = static_cast<id_t>(::gettid());
  ::setpriority(PRIO_PROCESS, self, std::max(kNice, ::getpriority(PRIO_PROCESS, self))); // a wish
  if (!mappedPages(mapped, size).areSmall() || !isMemoryFree(size))
    return;
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return;
  auto memory = AnonymousMemory::allocate(size, "a copy of the weights");
  uint64_t position = memory ? 0 : size + 1;
  while (position < size && !stopping) {
    if (position % kPieceBytes == 0 && !isMemoryFree(size - position))
      break;
    uint64_t count = std::min(kPieceBytes - position % kPieceBytes, size - position);
    ssize_t got = ::pread(file, memory->data() + position, count, static_cast<off_t>(offset + position));
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      break;
    position += static_cast<uint64_t>(got);
  }
  ::close(file);
  if (position != size)
    return;
  copy.emplace(std::move(*memory), size);
  done.store(true, std::memory_order_release);
}

std::optional<Weights> BackgroundCopy::take() {
  if (!done.load(std::memory_order_acquire))
    return std::nullopt;
  done.store(false, std::memory_order_relaxed);
  return std::exchange(copy, std::nullopt);
}
