// RUN: nibble-opt %s --lowbit-fuse-dequant --cse | FileCheck %s

!q = !lowbit.packed<64x128, <int8, group = 32, scale = f16, zero = none>>
!m = !lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = min>>
!f = !lowbit.packed<64x128, <bf16>>

// The weight goes into panels, the bias into the epilogue.
// CHECK-LABEL: func.func @bias
func.func @bias(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  // CHECK: %[[W:.*]] = llm.param @w source(<f32>) recipe [#lowbit.convert<<int8, group = 32, scale = f16, zero = none>>, #lowbit.pack<panel>]
  // CHECK-SAME: : !lowbit.packed<64x128, <int8, group = 32, scale = f16, zero = none>, panel>
  %w = llm.param @w source(<f32>) recipe [#lowbit.convert<<int8, group = 32, scale = f16, zero = none>>] : !q
  // CHECK: %[[B:.*]] = llm.param @b
  %b = llm.param @b source(<f32>) : tensor<64xf32>
  %d = lowbit.dequantize %w : !q -> tensor<64x128xf32>
  // CHECK: %[[R:.*]] = lowbit.quantize_rows %{{.*}} : tensor<?x128xf32> -> <tokens x 128, int8, bias = [128]>
  // CHECK: lowbit.linear %[[R]], (%[[W]]) extra(%[[B]] : tensor<64xf32>)
  // CHECK: ^bb0(%[[A:.*]]: f32, %[[E:.*]]: f32):
  // CHECK: %[[S:.*]] = arith.addf %[[A]], %[[E]]
  // CHECK: lowbit.yield %[[S]]
  // CHECK-NOT: lowbit.dequantize
  %y = llm.linear %x, %d bias(%b : tensor<64xf32>) {activations = #lowbit.activations<int8>}
      : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// A float minimum needs the sums of the rows; unsigned codes have no bias.
// CHECK-LABEL: func.func @minimum
func.func @minimum(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  %w = llm.param @w source(<int4, group = 32, scale = f16, zero = min>) : !m
  %d = lowbit.dequantize %w : !m -> tensor<64x128xf32>
  // CHECK: lowbit.quantize_rows %{{.*}} -> <tokens x 128, int8, bias = [0], sums>
  %y = llm.linear %x, %d {activations = #lowbit.activations<int8>}
      : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// So does an integer zero point.
// CHECK-LABEL: func.func @zero_point
func.func @zero_point(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  %w = llm.param @w source(<int8, group = 0, scale = f16, zero = int>) : !lowbit.packed<64x128, <int8, group = 0, scale = f16, zero = int>>
  %d = lowbit.dequantize %w : !lowbit.packed<64x128, <int8, group = 0, scale = f16, zero = int>> -> tensor<64x128xf32>
  // CHECK: lowbit.quantize_rows %{{.*}} -> <tokens x 128, int8, bias = [0], sums>
  %y = llm.linear %x, %d {activations = #lowbit.activations<int8>}
      : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// A codebook's entries are made unsigned by 128.
// CHECK-LABEL: func.func @codebook
func.func @codebook(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  %w = llm.param @w source(<iq4, group = 32, scale = f16, zero = none>) : !lowbit.packed<64x128, <iq4, group = 32, scale = f16, zero = none>>
  %d = lowbit.dequantize %w : !lowbit.packed<64x128, <iq4, group = 32, scale = f16, zero = none>> -> tensor<64x128xf32>
  // CHECK: lowbit.quantize_rows %{{.*}} -> <tokens x 128, int8, bias = [128]>
  %y = llm.linear %x, %d {activations = #lowbit.activations<int8>}
      : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @float
func.func @float(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  %w = llm.param @w source(<bf16>) : !f
  %d = lowbit.dequantize %w : !f -> tensor<64x128xf32>
  // CHECK: lowbit.quantize_rows %{{.*}} -> <tokens x 128, f32>
  %y = llm.linear %x, %d {activations = #lowbit.activations<f32>}
      : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// A tied table is one parameter for embedding and head.
// CHECK-LABEL: func.func @tied
func.func @tied(%ids: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
  // CHECK: %[[W:.*]] = llm.param @w {{.*}}, panel>
  // CHECK-NOT: llm.param
  %w = llm.param @w source(<bf16>) : !f
  // CHECK: %[[X:.*]] = llm.embed %{{.*}}, %[[W]]
  %x = llm.embed %ids, %w : tensor<?xi32>, !f -> tensor<?x128xf32>
  %d = lowbit.dequantize %w : !f -> tensor<64x128xf32>
  // CHECK: %[[R:.*]] = lowbit.quantize_rows %[[X]] select(%{{.*}} : tensor<?xi32>) : tensor<?x128xf32> -> <logits x 128, f32>
  // CHECK: lowbit.linear %[[R]], (%[[W]])
  %y = llm.logits %x, %rows, %d {activations = #lowbit.activations<f32>}
      : tensor<?x128xf32>, tensor<?xi32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// Without a format or a precision nothing happens: the verifier of the phase reports it.
// CHECK-LABEL: func.func @unassigned
func.func @unassigned(%x: tensor<?x128xf32>, %w: tensor<64x128xf32>) -> tensor<?x64xf32> {
  // CHECK: llm.linear
  %y = llm.linear %x, %w : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
