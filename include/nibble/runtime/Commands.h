//===- Commands.h - The command line of an artifact ---------------------------------*- C++ -*-===//
//
// `./artifact VERB ...` and `nibble-run FILE VERB ...` are the same program: it finds its own footer, or
// takes the file that is named first.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

namespace nibble {

/// Runs the command line and gives the exit code: 0 done, 1 error, 2 wrong usage, 130 interrupted.
int runCommandLine(int argc, char **argv);

} // namespace nibble
