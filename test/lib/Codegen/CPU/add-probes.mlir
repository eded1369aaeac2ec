// RUN: nibble-opt %s --rt-add-probes=target=avx512-vnni | FileCheck %s --check-prefixes=CHECK,VNNI
// RUN: nibble-opt %s --rt-add-probes=target=x86-64-v3 | FileCheck %s --check-prefixes=CHECK,AVX2
// RUN: nibble-opt %s --rt-add-probes=target=amx | FileCheck %s --check-prefix=TILES
// RUN: not nibble-opt %s --rt-add-probes=target=pentium 2>&1 | FileCheck %s --check-prefix=TARGET

// TARGET: error: unknown CPU target 'pentium'

module {
}

// One stream of full vectors, and every vector counts.
// CHECK-LABEL: func.func @probe_read
// VNNI: scf.for
// VNNI-COUNT-8: llvm.load {{.*}} {alignment = 64 : i64} : !llvm.ptr -> vector<16xi32>
// AVX2: scf.for
// AVX2-COUNT-8: llvm.load {{.*}} {alignment = 32 : i64} : !llvm.ptr -> vector<8xi32>
// CHECK: llvm.store
// CHECK-LABEL: func.func @probe_read_items

// One instruction: in registers. Several: the bytes are loaded anew, or most of the work would leave the loop.
// CHECK-LABEL: func.func @probe_dot4
// VNNI: scf.for
// VNNI-NOT: llvm.load
// VNNI-COUNT-16: lowbit.dot4
// AVX2: scf.for
// AVX2-COUNT-8: lowbit.dot4
// CHECK: llvm.store
// CHECK-LABEL: func.func @probe_dot4_items

// 64 times four products of 16 x 16 x 64: 2^22 multiplications an item.
// TILES-LABEL: func.func @probe_dot4
// TILES: arith.muli %{{.*}}, %[[TIMES:.*]] overflow
// TILES: scf.for
// TILES: lowbit.dot_tile %{{.*}}, (%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) into %{{.*}} {columns = 64 : i32, rows = 16 : i32}
// TILES: llvm.store
// TILES-LABEL: func.func @probe_dot4_items

// CHECK-LABEL: func.func @probe_fma
// VNNI-COUNT-16: vector.fma {{.*}} : vector<16xf32>
// AVX2-COUNT-8: vector.fma {{.*}} : vector<8xf32>
// CHECK-NOT: vector.fma
