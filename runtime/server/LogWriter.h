//===- LogWriter.h - Lines to a file that may be slow or full -----------------------*- C++ -*-===//
//
// Serving never waits for a log: lines go through a bounded queue to a thread of their own, and where they
// cannot be written they are dropped, counted, and mentioned once.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/runtime/Result.h"
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace nibble::server {

class LogWriter {
public:
  /// `path` is a file that lines are appended to, or "-" for standard output.
  static Result<std::unique_ptr<LogWriter>> open(const std::string &path);
  /// `descriptor` stays the caller's, unless `owns`. `name` is for messages.
  LogWriter(int descriptor, bool owns, std::string name);
  LogWriter(const LogWriter &) = delete;
  LogWriter &operator=(const LogWriter &) = delete;
  /// Writes what waits, unless that takes long.
  ~LogWriter();

  /// From any thread. A line break is added.
  void write(std::string line);
  /// Lines that were dropped.
  uint64_t dropped() const { return lost; }
  /// Hears of dropped lines, on any thread; set before the first line.
  std::function<void()> onDrop;

private:
  void work();
  void writeOut(std::string_view text, uint64_t lines);
  void drop(uint64_t lines, const std::string &why);

  int descriptor;
  bool owns;
  std::string name;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> waiting;
  bool stopping = false;
  std::atomic<uint64_t> lost = 0;
  std::atomic<bool> complained = false;
  std::thread thread;
};

} // namespace nibble::server
