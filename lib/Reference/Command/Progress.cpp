//===- Progress.cpp - How far a long run is ---------------------------------------------------===//
#include "Progress.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <unistd.h>

using namespace nibble::reference;

static volatile std::sig_atomic_t interrupted = 0;

Progress::Progress(std::string what) : what(std::move(what)), isTerminal(::isatty(STDERR_FILENO)) {
  // The first Ctrl-C ends the run between two ops, so that no half-written file is left; the second ends the
  // process.
  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = SA_RESETHAND;
  ::sigaction(SIGINT, &action, nullptr);
}

Progress::~Progress() {
  if (printed && isTerminal)
    std::fputs("\r\033[K", stderr);
  std::signal(SIGINT, SIG_DFL);
}

bool Progress::add(double multiplications) {
  done += multiplications;
  Clock::time_point now = Clock::now();
  auto since = [&](Clock::time_point then) { return std::chrono::duration<double>(now - then).count(); };
  if (since(last) >= (isTerminal ? 0.25 : 10)) {
    last = now;
    print(since(start));
  }
  return !interrupted;
}

void Progress::print(double seconds) {
  double share = total > 0 ? std::min(1.0, done / total) : 0;
  auto left = static_cast<long>(share > 0 ? seconds / share - seconds + 0.5 : 0);
  std::string text = std::to_string(left % 60) + " s";
  if (left >= 60)
    text = std::to_string(left / 60 % 60) + " min " + text;
  if (left >= 3600)
    text = std::to_string(left / 3600) + " h " + text;
  std::fprintf(stderr, "%s%s: %.0f%%, about %s left%s", isTerminal ? "\r\033[K" : "", what.c_str(),
               100 * share, text.c_str(), isTerminal ? "" : "\n");
  printed = true;
}
