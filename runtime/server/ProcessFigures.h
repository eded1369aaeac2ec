//===- ProcessFigures.h - What every Prometheus client says of its process ----------*- C++ -*-===//
#pragma once

#include <string>

namespace nibble::server {

/// Appends process_resident_memory_bytes, process_virtual_memory_bytes, process_cpu_seconds_total,
/// process_open_fds, process_threads and process_start_time_seconds, from /proc; what cannot be read is left
/// out.
void writeProcessFigures(std::string &text);

} // namespace nibble::server
