// RUN: not nibble-opt %s --split-input-file --lowbit-legalize-dot2=target=avx512-vnni 2>&1 | FileCheck %s --check-prefix=LACKS
// RUN: not nibble-opt %s --split-input-file --lowbit-legalize-dot2=target=avx512-bf16 2>&1 | FileCheck %s --check-prefix=WIDTH

// LACKS: error: 'lowbit.dot2' op of 512 bits is no instruction of avx512-vnni
// WIDTH-NOT: 512
func.func @lacks(%acc: vector<16xf32>, %a: vector<32xbf16>) -> vector<16xf32> {
  %0 = lowbit.dot2 %acc, %a, %a : vector<16xf32>, vector<32xbf16>
  return %0 : vector<16xf32>
}

// -----

// WIDTH: error: 'lowbit.dot2' op of 64 bits is no instruction of avx512-bf16
func.func @narrow(%acc: vector<2xf32>, %a: vector<4xbf16>) -> vector<2xf32> {
  %0 = lowbit.dot2 %acc, %a, %a : vector<2xf32>, vector<4xbf16>
  return %0 : vector<2xf32>
}
