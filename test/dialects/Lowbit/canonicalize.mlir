// RUN: nibble-opt %s --canonicalize | FileCheck %s

!rows = !lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = none>>
!panel = !lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = none>, panel>

// Values do not depend on the layout.
// CHECK-LABEL: func.func @dequantize_of_repack
// CHECK-SAME: (%[[W:.*]]: !lowbit.packed
func.func @dequantize_of_repack(%w: !rows) -> tensor<64x128xf32> {
  // CHECK-NEXT: %[[D:.*]] = lowbit.dequantize %[[W]] : <64x128, <int4, group = 32, scale = f16, zero = none>> -> tensor<64x128xf32>
  // CHECK-NEXT: return %[[D]]
  %p = lowbit.repack %w : !rows -> !panel
  %d = lowbit.dequantize %p : !panel -> tensor<64x128xf32>
  return %d : tensor<64x128xf32>
}

// CHECK-LABEL: func.func @repack_there_and_back
// CHECK-SAME: (%[[W:.*]]: !lowbit.packed
func.func @repack_there_and_back(%w: !rows) -> !rows {
  // CHECK-NEXT: return %[[W]]
  %p = lowbit.repack %w : !rows -> !panel
  %r = lowbit.repack %p : !panel -> !rows
  return %r : !rows
}

// CHECK-LABEL: func.func @repack_of_repack
// CHECK-SAME: (%[[W:.*]]: !lowbit.packed
func.func @repack_of_repack(%w: !rows) -> !panel {
  // CHECK-NEXT: %[[P:.*]] = lowbit.repack %[[W]]
  // CHECK-NEXT: return %[[P]]
  %p = lowbit.repack %w : !rows -> !panel
  %r = lowbit.repack %p : !panel -> !rows
  %q = lowbit.repack %r : !rows -> !panel
  return %q : !panel
}

// CHECK-LABEL: func.func @repack_to_itself
// CHECK-SAME: (%[[W:.*]]: !lowbit.packed
func.func @repack_to_itself(%w: !panel) -> !panel {
  // CHECK-NEXT: return %[[W]]
  %p = lowbit.repack %w : !panel -> !panel
  return %p : !panel
}

// Codes are not exact: quantization and its inverse are no identity, in neither order.
// CHECK-LABEL: func.func @quantize_of_dequantize
func.func @quantize_of_dequantize(%w: !rows) -> !rows {
  // CHECK: lowbit.dequantize
  // CHECK: lowbit.quantize
  %d = lowbit.dequantize %w : !rows -> tensor<64x128xf32>
  %q = lowbit.quantize %d : tensor<64x128xf32> -> !rows
  return %q : !rows
}

// CHECK-LABEL: func.func @dot4_zero
// CHECK-SAME: (%[[ACC:.*]]: vector<8xi32>, %[[A:.*]]: vector<32xi8>)
func.func @dot4_zero(%acc: vector<8xi32>, %a: vector<32xi8>) -> (vector<8xi32>, vector<8xi32>) {
  // CHECK-NEXT: return %[[ACC]], %[[ACC]]
  %zero = arith.constant dense<0> : vector<32xi8>
  %l = lowbit.dot4 %acc, %zero, %a : vector<8xi32>, vector<32xi8>
  %r = lowbit.dot4 %acc, %a, %zero : vector<8xi32>, vector<32xi8>
  return %l, %r : vector<8xi32>, vector<8xi32>
}

// CHECK-LABEL: func.func @dot4_one
func.func @dot4_one(%acc: vector<8xi32>, %a: vector<32xi8>) -> vector<8xi32> {
  // CHECK: lowbit.dot4
  %one = arith.constant dense<1> : vector<32xi8>
  %r = lowbit.dot4 %acc, %a, %one : vector<8xi32>, vector<32xi8>
  return %r : vector<8xi32>
}
