// RUN: nibble-opt %s --lowbit-legalize-tiles | FileCheck %s
// RUN: nibble-opt %s --nibble-codegen-cpu=target=amx | mlir-translate --mlir-to-llvmir | llc -O3 -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v4 -mattr=+amx-tile,+amx-int8,+amx-bf16 | FileCheck %s --check-prefix=ASM

// One tile of codes for both sources; sums lie one behind the other, 8 rows of 64 bytes each.
// CHECK-LABEL: func.func @two_sources
// CHECK-SAME: (%[[CODES:.*]]: !llvm.ptr, %[[X:.*]]: !llvm.ptr, %[[Y:.*]]: !llvm.ptr, %[[SUMS:.*]]: !llvm.ptr)
// CHECK: %[[C:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"(%{{.*}}, %{{.*}}, %[[CODES]], %{{.*}})
// CHECK: %[[A:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"(%{{.*}}, %{{.*}}, %[[X]], %{{.*}})
// CHECK: %[[Z:.*]] = llvm.call_intrinsic "llvm.x86.tilezero.internal"
// CHECK: %[[S:.*]] = llvm.call_intrinsic "llvm.x86.tdpbssd.internal"(%{{.*}}, %{{.*}}, %{{.*}}, %[[Z]], %[[A]], %[[C]])
// CHECK: llvm.call_intrinsic "llvm.x86.tilestored64.internal"({{.*}}, %[[S]])
// CHECK: llvm.call_intrinsic "llvm.x86.tileloadd64.internal"(%{{.*}}, %{{.*}}, %[[Y]], %{{.*}})
// CHECK: llvm.call_intrinsic "llvm.x86.tdpbssd.internal"(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %[[C]])
// CHECK: llvm.getelementptr inbounds %[[SUMS]][512]
// CHECK: llvm.call_intrinsic "llvm.x86.tilestored64.internal"

// ASM-LABEL: two_sources:
// ASM: ldtilecfg
// ASM: tileloadd (%rdi,{{.*}}), %[[B:tmm[0-7]]]
// ASM: tdpbssd %[[B]], %{{tmm[0-7]}}, %[[R:tmm[0-7]]]
// ASM: tilestored %[[R]],
// ASM: tdpbssd %[[B]],
// ASM: tilestored
// ASM-NOT: ldtilecfg
// ASM: tilerelease
func.func @two_sources(%codes: !llvm.ptr, %x: !llvm.ptr, %y: !llvm.ptr, %sums: !llvm.ptr) {
  lowbit.dot_tile %codes, (%x, %y) into %sums {rows = 8 : i32, columns = 32 : i32}
  return
}

// ASM-LABEL: unsigned_codes:
// ASM: tdpbsud
func.func @unsigned_codes(%codes: !llvm.ptr, %x: !llvm.ptr, %sums: !llvm.ptr) {
  // CHECK: llvm.call_intrinsic "llvm.x86.tdpbsud.internal"
  lowbit.dot_tile %codes, (%x) into %sums {rows = 16 : i32, columns = 64 : i32, unsigned_codes}
  return
}

// Sums are carried in tiles over three steps of 32 columns; the rows' number is the caller's.
// CHECK-LABEL: func.func @bf16
// CHECK-SAME: (%[[WEIGHTS:.*]]: !llvm.ptr, %[[X:.*]]: !llvm.ptr, %[[Y:.*]]: !llvm.ptr, %[[ROWS:.*]]: i16, %[[SUMS:.*]]: !llvm.ptr)
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tilezero.internal"(%[[ROWS]], %{{.*}})
// CHECK: %[[STEPS:.*]] = arith.constant 3 : i64
// CHECK: scf.for %{{.*}} to %[[STEPS]] step %{{.*}} iter_args(%[[A:.*]] = %{{.*}}, %[[B:.*]] = %{{.*}}) -> (!llvm.x86_amx, !llvm.x86_amx)
// CHECK: llvm.getelementptr %{{.*}}[2304]
// CHECK-COUNT-16: llvm.intr.prefetch"(%{{.*}}) <{cache = 1 : i32, hint = 3 : i32, rw = 0 : i32}>
// CHECK-NOT: llvm.intr.prefetch
// CHECK: %[[W:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"
// CHECK: %[[STRIDE:.*]] = arith.constant 192 : i64
// CHECK: %[[P:.*]] = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"(%[[ROWS]], %{{.*}}, %{{.*}}, %[[STRIDE]])
// CHECK: llvm.call_intrinsic "llvm.x86.tdpbf16ps.internal"(%[[ROWS]], %{{.*}}, %{{.*}}, %[[A]], %[[P]], %[[W]])
// CHECK: llvm.call_intrinsic "llvm.x86.tdpbf16ps.internal"(%[[ROWS]], %{{.*}}, %{{.*}}, %[[B]], %{{.*}}, %[[W]])
// CHECK: scf.yield
// CHECK: llvm.call_intrinsic "llvm.x86.tilestored64.internal"(%[[ROWS]], %{{.*}}, %[[SUMS]],
// CHECK: llvm.getelementptr inbounds %[[SUMS]][1024]
// CHECK: llvm.call_intrinsic "llvm.x86.tilestored64.internal"

// ASM-LABEL: bf16:
// ASM: ldtilecfg
// ASM: {{^}}.LBB{{[0-9_]+}}:
// ASM: tileloadd {{.*}}, %[[W:tmm[0-7]]]
// ASM: tdpbf16ps %[[W]], %{{tmm[0-7]}}, %[[A:tmm[0-7]]]
// ASM: tdpbf16ps %[[W]], %{{tmm[0-7]}}, %[[B:tmm[0-7]]]
// ASM: j{{[a-z]+}} .LBB
// ASM: tilestored %[[A]],
// ASM: tilestored %[[B]],
// ASM: tilerelease
func.func @bf16(%weights: !llvm.ptr, %x: !llvm.ptr, %y: !llvm.ptr, %rows: i16, %sums: !llvm.ptr) {
  lowbit.dot_tile_bf16 %weights, (%x, %y) of %rows into %sums {columns = 96 : i64, stride = 192 : i64, near = 2304 : i64}
  return
}
