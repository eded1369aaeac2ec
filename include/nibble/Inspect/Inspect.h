//===- Inspect.h - What is in an artifact or a checkpoint ---------------------------*- C++ -*-===//
//
// The tool nibble-inspect: tables, disassembly and IR of a kernel, tensors as .npy, differences, a drawing.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

namespace nibble {

/// Runs the command line and gives the exit code: 0 done, 1 a clear error, 2 wrong usage.
int inspectMain(int argc, char **argv);

} // namespace nibble
