// RUN: nibble-opt %s --pass-pipeline='builtin.module(rt.program(rt-place-barriers))' | FileCheck %s

!h = tensor<?x64xf32>
!r = !lowbit.rows<tokens x 64, f32>
!c = !llm.cache<layers = 1, kv_heads = 1, head_dim = 64>
rt.kernel @rows(%x: !h) -> !r attributes {family = #rt.family<rows>} {
  %r = lowbit.quantize_rows %x : !h -> !r
  rt.yield %r : !r
}
rt.kernel @linear(%x: !r, %w: !lowbit.packed<64x64, <f16>, panel>) -> !h attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !r, (!lowbit.packed<64x64, <f16>, panel>) -> !h {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : !h
}
rt.kernel @attention(%q: !h, %k: !h, %v: !h, %c: !c) -> !h attributes {family = #rt.family<attention>} {
  %y = llm.attention %q, %k, %v, %c {layer = 0 : i64, heads = 1 : i64, scale = 1.0 : f32} : !h, !h, !c
  rt.yield %y : !h
}
rt.kernel @embed(%w: !lowbit.packed<64x64, <f16>, panel>) -> !h attributes {family = #rt.family<embed>} {
  %ids = rt.batch token_id : tensor<?xi32>
  %y = llm.embed %ids, %w : tensor<?xi32>, !lowbit.packed<64x64, <f16>, panel> -> !h
  rt.yield %y : !h
}

// CHECK-LABEL: rt.program @step
rt.program @step {
  %w = rt.weight @w source(<f16>) recipe [#lowbit.pack<panel>] : !lowbit.packed<64x64, <f16>, panel>
  %c = rt.cache 0 : !c
  %h = rt.buffer "h" arena size [256, 0, 0] : !h
  %r = rt.buffer "r" private size [256, 0, 0] : !r
  %q = rt.buffer "q" arena size [256, 0, 0] : !h
  %k = rt.buffer "k" arena size [256, 0, 0] : !h
  %s = rt.buffer "s" private size [256, 0, 0] : !r
  %v = rt.buffer "v" arena size [256, 0, 0] : !h
  %o = rt.buffer "o" arena size [256, 0, 0] : !h
  %p = rt.buffer "p" arena size [256, 0, 0] : !h
  // Nothing comes before the first.
  // CHECK: @embed{{.*}} barrier never
  rt.dispatch @embed(%w) -> (%h) barrier always : (!lowbit.packed<64x64, <f16>, panel>) -> !h
  // Reads the arena.
  // CHECK: @rows{{.*}} barrier always
  rt.dispatch @rows(%h) -> (%r) barrier never : (!h) -> !r
  // Reads what every worker made for itself in a small step.
  // CHECK: @linear{{.*}} barrier shared
  rt.dispatch @linear(%r, %w) -> (%q) barrier never : (!r, !lowbit.packed<64x64, <f16>, panel>) -> !h
  // CHECK: @linear{{.*}} barrier never
  rt.dispatch @linear(%r, %w) -> (%k) barrier always : (!r, !lowbit.packed<64x64, <f16>, panel>) -> !h
  // %h is older than the barrier.
  // CHECK: @rows{{.*}} barrier never
  rt.dispatch @rows(%h) -> (%s) barrier always : (!h) -> !r
  // CHECK: @linear{{.*}} barrier shared
  rt.dispatch @linear(%s, %w) -> (%v) barrier always : (!r, !lowbit.packed<64x64, <f16>, panel>) -> !h
  // CHECK: @attention{{.*}} barrier always
  rt.dispatch @attention(%q, %k, %v, %c) -> (%o) barrier never : (!h, !h, !h, !c) -> !h
  // The same layer of the cache: the first one writes it.
  // CHECK: @attention{{.*}} barrier always
  rt.dispatch @attention(%q, %k, %v, %c) -> (%p) barrier never : (!h, !h, !h, !c) -> !h
  // %o is older than the last barrier, %q is overwritten by nobody.
  // CHECK: @rows{{.*}} barrier never
  rt.dispatch @rows(%o) -> (%r) barrier never : (!h) -> !r
}
