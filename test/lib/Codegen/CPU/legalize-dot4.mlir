// RUN: nibble-opt %s --split-input-file --lowbit-legalize-dot4=target=avx512-vnni 2>&1 | FileCheck %s --check-prefix=VNNI
// RUN: nibble-opt %s --split-input-file --lowbit-legalize-dot4=target=x86-64-v3 2>&1 | FileCheck %s --check-prefix=AVX2

// Nibbles: pmaddubsw does not saturate, and a chain shares one pmaddwd.
// VNNI-LABEL: func.func @nibbles
// VNNI-COUNT-3: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"
// VNNI-NOT: lowbit.dot4
// AVX2-LABEL: func.func @nibbles
// AVX2: %[[P0:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"(%[[A:[a-z0-9]+]], %[[B:[a-z0-9]+]])
// AVX2: %[[P1:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"(%[[A]], %[[B]])
// AVX2: %[[S1:.*]] = arith.addi %[[P0]], %[[P1]] : vector<16xi16>
// AVX2: %[[P2:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"(%[[B]], %[[A]])
// AVX2: %[[S2:.*]] = arith.addi %[[S1]], %[[P2]] : vector<16xi16>
// AVX2: %[[W:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%[[S2]], %{{.*}})
// AVX2: arith.addi %{{.*}}, %[[W]] : vector<8xi32>
// AVX2-NOT: lowbit.dot4
func.func @nibbles(%acc: vector<8xi32>, %a: vector<32xi8>, %b: vector<32xi8>) -> vector<8xi32> {
  %0 = lowbit.dot4 %acc, %a, %b {unsigned_max = 15 : i32} : vector<8xi32>, vector<32xi8>
  %1 = lowbit.dot4 %0, %a, %b {unsigned_max = 15 : i32} : vector<8xi32>, vector<32xi8>
  %2 = lowbit.dot4 %1, %b, %a {unsigned_max = 15 : i32} : vector<8xi32>, vector<32xi8>
  return %2 : vector<8xi32>
}

// -----

// Bytes up to 255 would saturate: even and odd bytes are widened.
// VNNI-LABEL: func.func @bytes
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"
// AVX2-LABEL: func.func @bytes
// AVX2-NOT: pmadd.ub.sw
// AVX2-COUNT-2: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// AVX2-NOT: lowbit.dot4
func.func @bytes(%acc: vector<8xi32>, %a: vector<32xi8>, %b: vector<32xi8>) -> vector<8xi32> {
  %0 = lowbit.dot4 %acc, %a, %b : vector<8xi32>, vector<32xi8>
  return %0 : vector<8xi32>
}
