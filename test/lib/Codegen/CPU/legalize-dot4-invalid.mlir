// RUN: not nibble-opt %s --split-input-file --lowbit-legalize-dot4=target=x86-64-v3 2>&1 | FileCheck %s --check-prefix=AVX2
// RUN: not nibble-opt %s --split-input-file --lowbit-legalize-dot4=target=avx512-vnni 2>&1 | FileCheck %s --check-prefix=VNNI
// RUN: not nibble-opt %s --split-input-file --lowbit-legalize-dot4=target=pentium 2>&1 | FileCheck %s --check-prefix=TARGET

// TARGET: error: unknown CPU target 'pentium'; expected native or one of x86-64-v3, avx512-vnni
// VNNI-NOT: error
// AVX2: error: 'lowbit.dot4' op pmaddwd of 256 bits has 8 lanes
func.func @wide(%acc: vector<16xi32>, %a: vector<64xi8>) -> vector<16xi32> {
  %0 = lowbit.dot4 %acc, %a, %a : vector<16xi32>, vector<64xi8>
  return %0 : vector<16xi32>
}

// -----

// AVX2: error: 'lowbit.dot4' op pmaddubsw of 256 bits has 8 lanes
// VNNI: error: 'lowbit.dot4' op no vpdpbusd has 2 lanes
func.func @narrow(%acc: vector<2xi32>, %a: vector<8xi8>) -> vector<2xi32> {
  %0 = lowbit.dot4 %acc, %a, %a {unsigned_max = 15 : i32} : vector<2xi32>, vector<8xi8>
  return %0 : vector<2xi32>
}
