// RUN: not nibble-opt %s --split-input-file --lowbit-legalize-tiles=target=avx512-bf16 2>&1 | FileCheck %s

// CHECK: error: 'lowbit.dot_tile' op is no instruction of avx512-bf16
func.func @lacks(%codes: !llvm.ptr, %x: !llvm.ptr, %sums: !llvm.ptr) {
  lowbit.dot_tile %codes, (%x) into %sums {rows = 16 : i32, columns = 64 : i32}
  return
}

// -----

// CHECK: error: 'lowbit.dot_tile_bf16' op is no instruction of avx512-bf16
func.func @lacks_bf16(%weights: !llvm.ptr, %x: !llvm.ptr, %rows: i16, %sums: !llvm.ptr) {
  lowbit.dot_tile_bf16 %weights, (%x) of %rows into %sums {columns = 64 : i64, stride = 128 : i64}
  return
}
