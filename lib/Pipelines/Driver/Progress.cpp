//===- Progress.cpp - What the compiler is doing, on standard error ---------------------------===//
#include "lib/Pipelines/Driver/Progress.h"

#include <cstdio>
#include <unistd.h>

using namespace nibble;

static constexpr const char *kEraseLine = "\r\033[K";

StageProgress::StageProgress(bool quiet) : quiet(quiet), terminal(::isatty(STDERR_FILENO) == 1) {}

StageProgress::~StageProgress() {
  if (!current.empty() && terminal && !quiet)
    std::fputs(kEraseLine, stderr);
}

void StageProgress::begin(const std::string &stage) {
  end();
  current = stage;
  started = drawn = Clock::now();
  if (terminal && !quiet)
    std::fprintf(stderr, "%s ...", current.c_str());
}

void StageProgress::advance(uint64_t done, uint64_t total) {
  Clock::time_point now = Clock::now();
  if (quiet || !terminal || total == 0 || now - drawn < std::chrono::milliseconds(100))
    return;
  drawn = now;
  double seconds = std::chrono::duration<double>(now - started).count();
  double share = static_cast<double>(done) / static_cast<double>(total);
  std::fprintf(stderr, "%s%s %3.0f%%", kEraseLine, current.c_str(), 100 * share);
  if (share > 0.02)
    std::fprintf(stderr, ", about %.0f s left", seconds * (1 - share) / share);
}

void StageProgress::end() {
  if (current.empty())
    return;
  double seconds = std::chrono::duration<double>(Clock::now() - started).count();
  if (!quiet)
    std::fprintf(stderr, "%s%s: %.1f s\n", terminal ? kEraseLine : "", current.c_str(), seconds);
  ended.emplace_back(std::move(current), seconds);
  current.clear();
}
