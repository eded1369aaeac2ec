// RUN: not nibble-opt %s --lowbit-legalize-dot4=target=x86-64-v3 2>&1 | FileCheck %s --check-prefix=LANES
// RUN: not nibble-opt %s --lowbit-legalize-dot4=target=pentium 2>&1 | FileCheck %s --check-prefix=TARGET

// LANES: error: 'lowbit.dot4' op pmaddwd of 256 bits has 8 lanes
// TARGET: error: unknown CPU target 'pentium'; expected native or one of x86-64-v3, avx512-vnni
func.func @wide(%acc: vector<16xi32>, %a: vector<64xi8>) -> vector<16xi32> {
  %0 = lowbit.dot4 %acc, %a, %a : vector<16xi32>, vector<64xi8>
  return %0 : vector<16xi32>
}
