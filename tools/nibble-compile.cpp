//===- nibble-compile.cpp - From a checkpoint to one file that runs ---------------------------===//
#include "nibble/Pipelines/Compile.h"

int main(int argc, char **argv) { return nibble::compileMain(argc, argv); }
