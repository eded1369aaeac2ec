//===- nibble-bench.cpp - Measures one kernel beside the machine's limits ---------------------===//
#include "nibble/Bench/Bench.h"

int main(int argc, char **argv) { return nibble::benchMain(argc, argv); }
