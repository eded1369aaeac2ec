// RUN: nibble-opt %s --lowbit-fuse-rows | FileCheck %s

!i4 = !lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = none>, panel>
!i8 = !lowbit.packed<64x128, <int8, group = 32, scale = f16, zero = none>, panel>
!f = !lowbit.packed<64x128, <f16>, panel>
!r4 = !lowbit.rows<tokens x 128, int8, bias = [8]>
!r8 = !lowbit.rows<tokens x 128, int8, bias = [128]>
!rf = !lowbit.rows<tokens x 128, f32>

// q of int4, k of int8 and v of f16: one value of int8 rows with both biases, and one of f32 rows.
// CHECK-LABEL: func.func @shared
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x128xf32>, %[[G:[a-z0-9]+]]: tensor<128xf32>
func.func @shared(%x: tensor<?x128xf32>, %g: tensor<128xf32>, %wq: !i4, %wk: !i8, %wv: !f)
    -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  // CHECK-NOT: llm.rms_norm
  %n = llm.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x128xf32>, tensor<128xf32>
  // CHECK: %[[R:.*]] = lowbit.quantize_rows %[[X]] norm(%[[G]] : tensor<128xf32>) {{.*}} -> <tokens x 128, int8, bias = [8, 128]>
  %rq = lowbit.quantize_rows %n : tensor<?x128xf32> -> !r4
  // CHECK: lowbit.linear %[[R]]
  %q = lowbit.linear %rq, (%wq) : !r4, (!i4) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  %rk = lowbit.quantize_rows %n : tensor<?x128xf32> -> !r8
  // CHECK: lowbit.linear %[[R]]
  %k = lowbit.linear %rk, (%wk) : !r8, (!i8) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  // CHECK: %[[F:.*]] = lowbit.quantize_rows %[[X]] norm(%[[G]] : tensor<128xf32>) {{.*}} -> <tokens x 128, f32>
  %rv = lowbit.quantize_rows %n : tensor<?x128xf32> -> !rf
  // CHECK: lowbit.linear %[[F]]
  %v = lowbit.linear %rv, (%wv) : !rf, (!f) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  return %q, %k, %v : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}

// The head's norm moves behind the selection.
// CHECK-LABEL: func.func @selected
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x128xf32>, %[[G:[a-z0-9]+]]: tensor<128xf32>, %[[S:[a-z0-9]+]]: tensor<?xi32>
func.func @selected(%x: tensor<?x128xf32>, %g: tensor<128xf32>, %rows: tensor<?xi32>)
    -> !lowbit.rows<logits x 128, f32> {
  // CHECK-NEXT: lowbit.quantize_rows %[[X]] norm(%[[G]] : tensor<128xf32>) select(%[[S]] : tensor<?xi32>)
  %n = llm.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x128xf32>, tensor<128xf32>
  %r = lowbit.quantize_rows %n select(%rows : tensor<?xi32>) : tensor<?x128xf32> -> !lowbit.rows<logits x 128, f32>
  return %r : !lowbit.rows<logits x 128, f32>
}

// Another reader keeps the norm.
// CHECK-LABEL: func.func @read_twice
func.func @read_twice(%x: tensor<?x128xf32>, %g: tensor<128xf32>) -> (!rf, tensor<?x128xf32>) {
  // CHECK: %[[N:.*]] = llm.rms_norm
  // CHECK: lowbit.quantize_rows %{{.*}} norm
  // CHECK: return %{{.*}}, %[[N]]
  %n = llm.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x128xf32>, tensor<128xf32>
  %r = lowbit.quantize_rows %n : tensor<?x128xf32> -> !rf
  return %r, %n : !rf, tensor<?x128xf32>
}

// A norm of heads is not one of rows.
// CHECK-LABEL: func.func @heads
func.func @heads(%x: tensor<?x128xf32>, %g: tensor<16xf32>) -> !rf {
  // CHECK: %[[N:.*]] = llm.rms_norm
  // CHECK: lowbit.quantize_rows %[[N]] : tensor
  %n = llm.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x128xf32>, tensor<16xf32>
  %r = lowbit.quantize_rows %n : tensor<?x128xf32> -> !rf
  return %r : !rf
}

// Different norms of one input stay apart, and so do different epsilons.
// CHECK-LABEL: func.func @different
func.func @different(%x: tensor<?x128xf32>, %g: tensor<128xf32>, %h: tensor<128xf32>) -> (!rf, !rf, !rf) {
  // CHECK-COUNT-3: lowbit.quantize_rows
  %a = lowbit.quantize_rows %x norm(%g : tensor<128xf32>) {eps = 1.0e-5 : f32} : tensor<?x128xf32> -> !rf
  %b = lowbit.quantize_rows %x norm(%h : tensor<128xf32>) {eps = 1.0e-5 : f32} : tensor<?x128xf32> -> !rf
  %c = lowbit.quantize_rows %x norm(%g : tensor<128xf32>) {eps = 1.0e-6 : f32} : tensor<?x128xf32> -> !rf
  return %a, %b, %c : !rf, !rf, !rf
}
