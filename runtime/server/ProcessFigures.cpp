//===- ProcessFigures.cpp - What every Prometheus client says of its process ------------------===//
#include "runtime/server/ProcessFigures.h"
#include "runtime/server/Exposition.h"
#include <dirent.h>
#include <fstream>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace nibble::server {

static void write(std::string &text, const char *name, const char *type, const char *help, double value) {
  writeFamily(text, name, type, help);
  writeSample(text, name, {}, value);
}

/// Fields of /proc/self/stat behind the command's name, which may hold anything; [0] is the state.
static std::vector<std::string> statFields() {
  std::ifstream file("/proc/self/stat");
  std::string line(std::istreambuf_iterator<char>(file), {});
  size_t behindName = line.rfind(')');
  std::vector<std::string> fields;
  if (behindName == std::string::npos)
    return fields;
  std::istringstream words(line.substr(behindName + 1));
  for (std::string word; words >> word;)
    fields.push_back(word);
  return fields;
}

static double bootTime() {
  std::ifstream file("/proc/stat");
  std::string key;
  double value = 0;
  for (std::string line; std::getline(file, line);)
    if (std::istringstream words(line); words >> key >> value && key == "btime")
      return value;
  return 0;
}

static void writeOpenFiles(std::string &text) {
  DIR *folder = opendir("/proc/self/fd");
  if (!folder)
    return;
  int entries = 0;
  while (readdir(folder))
    ++entries;
  closedir(folder);
  // Not counted: "." and "..", and the folder that was read.
  write(text, "process_open_fds", "gauge", "Open file descriptors.", entries - 3);
}

void writeProcessFigures(std::string &text) {
  auto fields = statFields();
  double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  if (fields.size() > 21) {
    auto field = [&](size_t number) { return std::stod(fields[number - 3]); }; // numbers as in proc(5)
    write(text, "process_cpu_seconds_total", "counter", "Time of all threads, in user and system mode.",
          (field(14) + field(15)) / ticks);
    write(text, "process_threads", "gauge", "Threads.", field(20));
    write(text, "process_start_time_seconds", "gauge", "Start, in seconds since 1970.",
          bootTime() + field(22) / ticks);
    write(text, "process_virtual_memory_bytes", "gauge", "Virtual memory.", field(23));
    write(text, "process_resident_memory_bytes", "gauge", "Memory that is resident, mapped weights among it.",
          field(24) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  }
  writeOpenFiles(text);
}

} // namespace nibble::server
