// RUN: nibble-opt %s --lowbit-fuse-epilogue | FileCheck %s

!w = !lowbit.packed<64x128, <f16>, panel>
!r = !lowbit.rows<tokens x 128, f32>

// CHECK-LABEL: func.func @residual
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<?x64xf32>
func.func @residual(%x: tensor<?x64xf32>, %r: !r, %w: !w, %b: tensor<64xf32>) -> tensor<?x64xf32> {
  // CHECK: lowbit.linear %{{.*}} extra(%{{.*}}, %[[X]] : tensor<64xf32>, tensor<?x64xf32>)
  // CHECK: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32, %[[E:.*]]: f32):
  // CHECK: %[[S:.*]] = arith.addf %[[A]], %[[B]]
  // CHECK: arith.addf %[[S]], %[[E]]
  // CHECK: return
  %y = lowbit.linear %r, (%w) extra(%b : tensor<64xf32>) : !r, (!w) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %e: f32):
    %s = arith.addf %a, %e : f32
    lowbit.yield %s : f32
  }
  %z = arith.addf %x, %y : tensor<?x64xf32>
  return %z : tensor<?x64xf32>
}

// A product that something else reads stays one.
// CHECK-LABEL: func.func @read_twice
func.func @read_twice(%x: tensor<?x64xf32>, %r: !r, %w: !w) -> (tensor<?x64xf32>, tensor<?x64xf32>) {
  // CHECK: arith.addf %{{.*}} : tensor<?x64xf32>
  %y = lowbit.linear %r, (%w) : !r, (!w) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  %z = arith.addf %x, %y : tensor<?x64xf32>
  return %y, %z : tensor<?x64xf32>, tensor<?x64xf32>
}

// Gate and up with biases become one linear: silu(a0 + b0) * (a1 + b1). Constants stay in the epilogue.
// CHECK-LABEL: func.func @gated
// CHECK-SAME: %[[WG:[a-z0-9]+]]: !lowbit.packed{{.*}} %[[WU:[a-z0-9]+]]: !lowbit.packed{{.*}} %[[BG:[a-z0-9]+]]: tensor<64xf32>, %[[BU:[a-z0-9]+]]: tensor<64xf32>
func.func @gated(%r: !r, %wg: !w, %wu: !w, %bg: tensor<64xf32>, %bu: tensor<64xf32>) -> tensor<?x64xf32> {
  // CHECK-NEXT: lowbit.linear %{{.*}}, (%[[WG]], %[[WU]]) extra(%[[BG]], %[[BU]]
  // CHECK-NEXT: ^bb0(%[[A0:.*]]: f32, %[[A1:.*]]: f32, %[[B0:.*]]: f32, %[[B1:.*]]: f32):
  // CHECK: %[[ONE:.*]] = arith.constant 1.0
  // CHECK: %[[S0:.*]] = arith.addf %[[A0]], %[[B0]]
  // CHECK: %[[S1:.*]] = arith.addf %[[A1]], %[[B1]]
  // CHECK: %[[N:.*]] = arith.negf %[[S0]]
  // CHECK: %[[EXP:.*]] = math.exp %[[N]]
  // CHECK: %[[D:.*]] = arith.addf %[[EXP]], %[[ONE]]
  // CHECK: %[[ACT:.*]] = arith.divf %[[S0]], %[[D]]
  // CHECK: %[[Y:.*]] = arith.mulf %[[ACT]], %[[S1]]
  // CHECK: lowbit.yield %[[Y]]
  %g = lowbit.linear %r, (%wg) extra(%bg : tensor<64xf32>) : !r, (!w) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %e: f32):
    %s = arith.addf %a, %e : f32
    lowbit.yield %s : f32
  }
  %u = lowbit.linear %r, (%wu) extra(%bu : tensor<64xf32>) : !r, (!w) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %e: f32):
    %s = arith.addf %a, %e : f32
    lowbit.yield %s : f32
  }
  %y = llm.glu silu %g, %u : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// Rows of different precision: up reads the gate's result.
// CHECK-LABEL: func.func @apart
func.func @apart(%r: !r, %s: !lowbit.rows<tokens x 128, int8, bias = [8]>, %wg: !w,
                 %wu: !lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = none>, panel>) -> tensor<?x64xf32> {
  // CHECK: %[[G:.*]] = lowbit.linear
  // CHECK: lowbit.linear %{{.*}} extra(%[[G]] : tensor<?x64xf32>)
  // CHECK: ^bb0(%[[A:.*]]: f32, %[[E:.*]]: f32):
  // CHECK: math.tanh
  // CHECK: arith.mulf %{{.*}}, %[[A]]
  // CHECK-NOT: llm.glu
  %g = lowbit.linear %r, (%wg) : !r, (!w) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  %u = lowbit.linear %s, (%wu) : !lowbit.rows<tokens x 128, int8, bias = [8]>,
      (!lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = none>, panel>) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  %y = llm.glu gelu_tanh %g, %u : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// Neither operand is a linear's.
// CHECK-LABEL: func.func @no_linear
func.func @no_linear(%g: tensor<?x64xf32>, %u: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // CHECK: llm.glu gelu
  %y = llm.glu gelu %g, %u : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
