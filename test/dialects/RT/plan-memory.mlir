// RUN: nibble-opt %s --pass-pipeline='builtin.module(rt.program(rt-plan-memory))' --split-input-file --verify-diagnostics | FileCheck %s

!h = tensor<?x64xf32>
!r = !lowbit.rows<tokens x 64, f32>
!l = !lowbit.rows<logits x 64, f32>
!w = !lowbit.packed<64x64, <f16>, panel>
rt.kernel @rows(%x: !h) -> !r attributes {family = #rt.family<rows>} {
  %r = lowbit.quantize_rows %x : !h -> !r
  rt.yield %r : !r
}
rt.kernel @rows_logits(%x: !h) -> !l attributes {family = #rt.family<rows>} {
  %i = rt.batch logits_row : tensor<?xi32>
  %r = lowbit.quantize_rows %x select(%i : tensor<?xi32>) : !h -> !l
  rt.yield %r : !l
}
rt.kernel @linear(%x: !r, %w: !w) -> !h attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !r, (!w) -> !h {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : !h
}
rt.kernel @head(%x: !l, %w: !w) -> !h attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !l, (!w) -> !h {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : !h
}
rt.kernel @embed(%w: !w) -> !h attributes {family = #rt.family<embed>} {
  %ids = rt.batch token_id : tensor<?xi32>
  %y = llm.embed %ids, %w : tensor<?xi32>, !w -> !h
  rt.yield %y : !h
}

// Epochs: embed 0; rows, q, k 1; rows, z 2; rows of logits 3. %h lives in 0-1, %r in 1, %q and %k in 1-2, %s and %z in
// 2 and 2-3. %h and %r are live together in epoch 1 although %r comes after the last reader of %h; %s takes over %h;
// %z takes over %r.
// CHECK-LABEL: rt.program @step attributes {arena = array<i64: 1024, 320, 0>, private_bytes = 4096 : i64}
rt.program @step {
  %w = rt.weight @w source(<f16>) recipe [#lowbit.pack<panel>] : !w
  // CHECK: "h" arena size [256, 0, 0] at [0, 0, 0]
  %h = rt.buffer "h" arena size [256, 0, 0] : !h
  // CHECK: "r" private size [256, 0, 0] at [256, 0, 0] private_at 0
  %r = rt.buffer "r" private size [256, 0, 0] : !r
  // CHECK: "q" arena size [256, 0, 0] at [512, 0, 0]
  %q = rt.buffer "q" arena size [256, 0, 0] : !h
  // CHECK: "k" arena size [256, 0, 0] at [768, 0, 0]
  %k = rt.buffer "k" arena size [256, 0, 0] : !h
  // CHECK: "s" private size [256, 0, 0] at [0, 0, 0] private_at 0
  %s = rt.buffer "s" private size [256, 0, 0] : !r
  // CHECK: "z" arena size [256, 0, 0] at [256, 0, 0]
  %z = rt.buffer "z" arena size [256, 0, 0] : !h
  // A size that is no multiple of 64 takes the next one.
  // CHECK: "l" private size [0, 40, 0] at [1024, 256, 0] private_at 0
  %l = rt.buffer "l" private size [0, 40, 0] : !l
  // CHECK: "logits" arena size [0, 256, 0] at [1024, 0, 0]
  %y = rt.buffer "logits" arena size [0, 256, 0] : !h
  rt.dispatch @embed(%w) -> (%h) barrier never : (!w) -> !h
  rt.dispatch @rows(%h) -> (%r) barrier always : (!h) -> !r
  rt.dispatch @linear(%r, %w) -> (%q) barrier shared : (!r, !w) -> !h
  rt.dispatch @linear(%r, %w) -> (%k) barrier never : (!r, !w) -> !h
  rt.dispatch @rows(%q) -> (%s) barrier always : (!h) -> !r
  rt.dispatch @linear(%s, %w) -> (%z) barrier shared : (!r, !w) -> !h
  rt.dispatch @rows(%k) -> (%s) barrier never : (!h) -> !r
  rt.dispatch @rows_logits(%z) -> (%l) barrier always : (!h) -> !l
  rt.dispatch @head(%l, %w) -> (%y) barrier shared : (!l, !w) -> !h
}

// -----

// The private places of two buffers that are live together do not overlap; of one row of 64 f32 16 take 4096 bytes.
!h = tensor<?x64xf32>
!r = !lowbit.rows<tokens x 64, f32>
rt.kernel @both(%x: !h) -> (!r, !r) attributes {family = #rt.family<rows>} {
  %r = lowbit.quantize_rows %x : !h -> !r
  rt.yield %r, %r : !r, !r
}
// CHECK-LABEL: rt.program @two attributes {arena = array<i64: 768, 0, 0>, private_bytes = 8192 : i64}
rt.program @two {
  %h = rt.buffer "h" arena size [256, 0, 0] : !h
  // CHECK: private_at 0
  %a = rt.buffer "a" private size [256, 0, 0] : !r
  // CHECK: private_at 4096
  %b = rt.buffer "b" private size [256, 0, 0] : !r
  rt.dispatch @both(%h) -> (%a, %b) barrier never : (!h) -> (!r, !r)
}

// -----

// Buffers of a fixed size lie behind those of rows, and share memory among each other only.
!h = tensor<?x64xf32>
!p = tensor<4x64xf32>
rt.kernel @partials(%x: !h) -> (!h, !p) attributes {family = #rt.family<rows>} {
  %p = arith.constant dense<0.0> : !p
  rt.yield %x, %p : !h, !p
}
rt.kernel @merge(%x: !h, %p: !p) -> !h attributes {family = #rt.family<rows>} {
  rt.yield %x : !h
}
// CHECK-LABEL: rt.program @fixed attributes {arena = array<i64: 512, 0, 1088>, private_bytes = 0 : i64}
rt.program @fixed {
  // CHECK: "h" arena size [256, 0, 0] at [0, 0, 0]
  %h = rt.buffer "h" arena size [256, 0, 0] : !h
  // CHECK: "a" arena size [256, 0, 0] at [256, 0, 0]
  %a = rt.buffer "a" arena size [256, 0, 0] : !h
  // CHECK: "p" arena size [0, 0, 1030] at [512, 0, 0]
  %p = rt.buffer "p" arena size [0, 0, 1030] : !p
  // CHECK: "b" arena size [256, 0, 0] at [0, 0, 0]
  %b = rt.buffer "b" arena size [256, 0, 0] : !h
  // CHECK: "q" arena size [0, 0, 1024] at [512, 0, 0]
  %q = rt.buffer "q" arena size [0, 0, 1024] : !p
  rt.dispatch @partials(%h) -> (%a, %p) barrier never : (!h) -> (!h, !p)
  rt.dispatch @merge(%a, %p) -> (%a) barrier always : (!h, !p) -> !h
  rt.dispatch @partials(%a) -> (%b, %q) barrier always : (!h) -> (!h, !p)
  rt.dispatch @merge(%b, %q) -> (%b) barrier always : (!h, !p) -> !h
}

// -----

rt.program @unused {
  // expected-error@+1 {{"h" is used by no dispatch}}
  %h = rt.buffer "h" arena size [256, 0, 0] : tensor<?x64xf32>
}

// -----

rt.kernel @rows(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {family = #rt.family<rows>} {
  rt.yield %x : tensor<?x64xf32>
}
rt.program @mixed {
  // expected-error@+1 {{"h" has rows for tokens, rows for logits or a fixed size, one of the three}}
  %h = rt.buffer "h" arena size [256, 256, 0] : tensor<?x64xf32>
  %g = rt.buffer "g" arena size [256, 0, 0] : tensor<?x64xf32>
  rt.dispatch @rows(%h) -> (%g) barrier never : (tensor<?x64xf32>) -> tensor<?x64xf32>
}
