//===- MachineLoad.cpp - How busy other processes keep the machine ----------------------------===//
#include "lib/Bench/MachineLoad.h"

#include <algorithm>
#include <cstdio>
#include <sys/resource.h>
#include <unistd.h>

using namespace nibble;

MachineLoad::MachineLoad() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval &t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  own = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  unsigned long long user, nice, system, idle, wait, irq, soft, steal;
  if (std::FILE *file = std::fopen("/proc/stat", "r")) {
    if (std::fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait,
                    &irq, &soft, &steal) == 8)
      all = static_cast<double>(user + nice + system + irq + soft + steal) /
            static_cast<double>(::sysconf(_SC_CLK_TCK));
    std::fclose(file);
  }
}

double MachineLoad::othersSince(const MachineLoad &before) const {
  double elapsed = std::chrono::duration<double>(time - before.time).count();
  double taken = (all - before.all) - (own - before.own);
  return std::max(0.0, taken / elapsed / static_cast<double>(::sysconf(_SC_NPROCESSORS_ONLN)));
}
