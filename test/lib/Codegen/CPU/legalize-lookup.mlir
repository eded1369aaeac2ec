// RUN: nibble-opt %s --lowbit-legalize-lookup=target=avx512-vnni | FileCheck %s --check-prefixes=CHECK,AVX512
// RUN: nibble-opt %s --lowbit-legalize-lookup=target=x86-64-v3 | FileCheck %s --check-prefixes=CHECK,AVX2

// CHECK-LABEL: func.func @shuffles
// CHECK: %[[T16:.*]] = arith.constant dense<[0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]> : vector<16xi8>
// CHECK: llvm.call_intrinsic "llvm.x86.ssse3.pshuf.b.128"(%[[T16]], %{{.*}})
// CHECK: %[[T32:.*]] = arith.constant dense<[0, 1, {{.*}}, -12, 0, 1, {{.*}}, -12]> : vector<32xi8>
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"(%[[T32]], %{{.*}})
// CHECK-NOT: lowbit.lookup
func.func @shuffles(%a: vector<16xi8>, %b: vector<32xi8>) -> (vector<16xi8>, vector<32xi8>) {
  %0 = lowbit.lookup %a in [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] : vector<16xi8>
  %1 = lowbit.lookup %b in [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] : vector<32xi8>
  return %0, %1 : vector<16xi8>, vector<32xi8>
}

// Where there is no such shuffle, every entry is selected.
// CHECK-LABEL: func.func @wide
// AVX512: llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"
// AVX2-COUNT-15: arith.select
// AVX2-NOT: arith.select
// CHECK-NOT: lowbit.lookup
func.func @wide(%a: vector<64xi8>) -> vector<64xi8> {
  %0 = lowbit.lookup %a in [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] : vector<64xi8>
  return %0 : vector<64xi8>
}
