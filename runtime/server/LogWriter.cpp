//===- LogWriter.cpp - Lines to a file that may be slow or full -------------------------------===//

#include "runtime/server/LogWriter.h"
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

using namespace nibble;
using namespace nibble::server;

static constexpr size_t kMostWaiting = 16384; // lines
static constexpr int kPatience = 1000;        // milliseconds that a reader of a pipe may take

Result<std::unique_ptr<LogWriter>> LogWriter::open(const std::string &path) {
  if (path == "-")
    return std::make_unique<LogWriter>(STDOUT_FILENO, false, "standard output");
  int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (file < 0)
    return failure(path + ": cannot be opened for the log: " + std::strerror(errno));
  return std::make_unique<LogWriter>(file, true, path);
}

LogWriter::LogWriter(int descriptor, bool owns, std::string name)
    : descriptor(descriptor), owns(owns), name(std::move(name)), thread([this] { work(); }) {
  ::pthread_setname_np(thread.native_handle(), "nibble-log");
}

LogWriter::~LogWriter() {
  {
    std::lock_guard lock(mutex);
    stopping = true;
  }
  changed.notify_one();
  thread.join();
  if (owns)
    ::close(descriptor);
}

void LogWriter::write(std::string line) {
  bool taken, first;
  {
    std::lock_guard lock(mutex);
    first = waiting.empty(); // else the thread was told already
    taken = waiting.size() < kMostWaiting;
    if (taken)
      waiting.push_back(std::move(line));
  }
  if (!taken)
    drop(1, "it is read too slowly");
  else if (first)
    changed.notify_one();
}

void LogWriter::work() {
  std::vector<std::string> lines;
  std::string text;
  while (true) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return stopping || !waiting.empty(); });
      if (waiting.empty())
        return;
      lines.swap(waiting);
    }
    for (const std::string &line : lines)
      text.append(line).append("\n");
    writeOut(text, lines.size());
    lines.clear();
    text.clear();
  }
}

/// A line of a terminal or pipe that nobody reads must not be waited for for ever: the server would not end.
void LogWriter::writeOut(std::string_view text, uint64_t lines) {
  while (!text.empty()) {
    pollfd ready = {descriptor, POLLOUT, 0};
    if (::poll(&ready, 1, kPatience) == 0)
      return drop(lines, "it is read too slowly");
    // As much as a pipe that is ready takes without waiting.
    ssize_t count = ::write(descriptor, text.data(), std::min<size_t>(text.size(), 4096));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return drop(lines, std::strerror(errno));
    text.remove_prefix(static_cast<size_t>(count));
  }
}

void LogWriter::drop(uint64_t lines, const std::string &why) {
  lost += lines;
  if (onDrop)
    for (uint64_t i = 0; i < lines; ++i)
      onDrop();
  if (descriptor != STDERR_FILENO && !complained.exchange(true))
    std::fprintf(stderr, "warning: %s: lines of the log are lost: %s; serving goes on\n", name.c_str(),
                 why.c_str());
}
