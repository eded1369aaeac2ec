//===- nibble-inspect.cpp - Looks into artifacts and checkpoints ------------------------------===//
#include "nibble/Inspect/Inspect.h"

int main(int argc, char **argv) { return nibble::inspectMain(argc, argv); }
