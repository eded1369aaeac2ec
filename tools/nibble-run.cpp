//===- nibble-run.cpp - Runs artifacts; the executable in front of every artifact -------------===//

#include "nibble/runtime/Commands.h"

int main(int argc, char **argv) { return nibble::runCommandLine(argc, argv); }
