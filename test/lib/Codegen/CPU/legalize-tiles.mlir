// RUN: nibble-opt %s --lowbit-legalize-tiles | FileCheck %s
// RUN: nibble-opt %s --nibble-codegen-cpu=target=amx-int8 | mlir-translate --mlir-to-llvmir | llc -O3 -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v4 -mattr=+amx-tile,+amx-int8 | FileCheck %s --check-prefix=ASM

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
