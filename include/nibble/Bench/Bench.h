//===- Bench.h - What nibble-bench does, as a function ------------------------------*- C++ -*-===//
#pragma once

namespace nibble {

/// Reads the command line, measures, prints. Gives the exit code: 0 done, 1 a clear error, 2 wrong usage.
int benchMain(int argc, char **argv);

} // namespace nibble
