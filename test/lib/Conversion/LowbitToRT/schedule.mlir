// RUN: nibble-opt %s --llm-share-angles --rt-split-attention --rt-schedule | FileCheck %s

!w = !lowbit.packed<64x64, <f16>, panel>
!v = !lowbit.packed<32x64, <f16>, panel>
!table = !lowbit.packed<500x64, <f16>, panel>
!r = !lowbit.rows<tokens x 64, f32>
!cache = !llm.cache<layers = 2, kv_heads = 2, head_dim = 16>

// Two layers, one set of kernels: the layer is no part of a body.
// CHECK: rt.kernel @angles_1() -> tensor<?x2xf32> attributes {family = #rt.family<angles>}
// CHECK: rt.batch position
// CHECK: rt.kernel @embed_500x64_f16(%{{.*}}) -> tensor<?x64xf32> attributes {family = #rt.family<embed>}
// CHECK: rt.batch token_id
// CHECK: rt.kernel @rows_norm_64_f32({{.*}} attributes {family = #rt.family<rows>}
// CHECK: rt.kernel @linear_64x64_f16_f32(
// CHECK-SAME: attributes {family = #rt.family<linear>}
// CHECK: rt.kernel @linear_32x64_f16_f32(
// CHECK: rt.kernel @store_kv_2x16(%[[K:.*]]: tensor<?x32xf32>, %[[V:.*]]: tensor<?x32xf32>, %[[C:.*]]: !llm.cache<{{.*}}>, %[[A:.*]]: tensor<?x2xf32>) attributes {family = #rt.family<store_kv>}
// CHECK: %[[KR:.*]] = llm.rotate %[[K]], %[[A]]
// CHECK: rt.store_kv %[[KR]], %[[V]], %[[C]] {{.*}}layer = 0
// CHECK: rt.kernel @attention_4x16_kv2(%[[Q:.*]]: tensor<?x64xf32>, %[[K:.*]]: tensor<?x32xf32>, %[[V:.*]]: tensor<?x32xf32>, %[[C:.*]]: !llm.cache<{{.*}}>, %[[G:.*]]: tensor<16xf32>, %[[A:.*]]: tensor<?x2xf32>)
// CHECK: %[[QN:.*]] = llm.rms_norm %[[Q]], %[[G]]
// CHECK: %[[QR:.*]] = llm.rotate %[[QN]], %[[A]]
// CHECK: %[[KR:.*]] = llm.rotate %[[K]], %[[A]]
// CHECK: %[[O:.*]], %[[P:.*]] = rt.attend %[[QR]], %[[KR]], %[[V]], %[[C]] {{.*}}layer = 0
// CHECK: rt.yield %[[O]], %[[P]]
// CHECK: rt.kernel @merge_4x16_kv2(
// CHECK: rt.kernel @rows_64_f32(
// CHECK: rt.kernel @linear_64x64_f16_f32_residual(
// CHECK: rt.kernel @rows_norm_64_f32_logits(
// CHECK: rt.batch logits_row
// CHECK: rt.kernel @linear_500x64_f16_f32(
// CHECK-NOT: rt.kernel

// CHECK-LABEL: rt.program @step
// CHECK-NEXT: %[[A:.*]] = rt.buffer "angles" arena size [64, 0, 0] : tensor<?x2xf32>
// CHECK-NEXT: rt.dispatch @angles_1() -> (%[[A]])
// CHECK-NEXT: %[[TABLE:.*]] = rt.weight @table source(<f16>) recipe [#lowbit.pack<panel>]
// CHECK-NEXT: %[[H:.*]] = rt.buffer "table" arena size [256, 0, 0]
// CHECK-NEXT: rt.dispatch @embed_500x64_f16(%[[TABLE]]) -> (%[[H]])
// CHECK: %[[R:.*]] = rt.buffer "wq.input" private size [256, 0, 0]
// CHECK: rt.dispatch @rows_norm_64_f32(%[[H]], %{{.*}}) -> (%[[R]])
// CHECK: rt.dispatch @linear_64x64_f16_f32(%[[R]], %{{.*}}) {{.*}} {label = "wq"}
// CHECK: %[[C0:.*]] = rt.cache 0
// CHECK: rt.dispatch @store_kv_2x16(%{{.*}}, %[[C0]], %[[A]]) -> () {{.*}} {label = "attention.0.store"}
// CHECK: %[[O:.*]] = rt.buffer "attention.0" arena size [256, 0, 0]
// CHECK: %[[P:.*]] = rt.buffer "attention.0.partials" arena size [0, 0, 655360] : tensor<2048x72xf32>
// CHECK: rt.dispatch @attention_4x16_kv2(%{{.*}}, %[[C0]], %{{.*}}, %[[A]]) -> (%[[O]], %[[P]]) {{.*}} {label = "attention.0"}
// CHECK: rt.dispatch @merge_4x16_kv2(%[[O]], %[[P]]) -> (%[[O]]) {{.*}} {label = "attention.0.merge"}
// CHECK: rt.dispatch @rows_64_f32(%[[O]])
// CHECK: %[[C1:.*]] = rt.cache 1
// CHECK: rt.dispatch @attention_4x16_kv2(%{{.*}}, %[[C1]], %{{.*}}, %[[A]]) -> {{.*}} {label = "attention.1"}
// CHECK: rt.buffer "head.input" private size [0, 256, 0]
// CHECK: rt.buffer "logits" arena size [0, 2048, 0] : tensor<?x500xf32>
// CHECK-NOT: func.func
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %cache: !cache) -> tensor<?x500xf32> {
  %table = llm.param @table source(<f16>) recipe [#lowbit.pack<panel>] : !table
  %h = llm.embed %ids, %table : tensor<?xi32>, !table -> tensor<?x64xf32>
  %g = llm.param @gain source(<f32>) : tensor<64xf32>
  %gq = llm.param @gainq source(<f32>) : tensor<16xf32>
  %wq = llm.param @wq source(<f16>) recipe [#lowbit.pack<panel>] : !w
  %wk = llm.param @wk source(<f16>) recipe [#lowbit.pack<panel>] : !v
  %r0 = lowbit.quantize_rows %h norm(%g : tensor<64xf32>) {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> !r
  %q0 = lowbit.linear %r0, (%wq) : !r, (!w) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  %k0 = lowbit.linear %r0, (%wk) : !r, (!v) -> tensor<?x32xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  %v0 = lowbit.linear %r0, (%wk) : !r, (!v) -> tensor<?x32xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  %qn0 = llm.rms_norm %q0, %gq {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<16xf32>
  %qr0 = llm.rope %qn0, %positions {head_dim = 16 : i64, inverse_frequencies = array<f32: 1.0>} : tensor<?x64xf32>, tensor<?xi32>
  %kr0 = llm.rope %k0, %positions {head_dim = 16 : i64, inverse_frequencies = array<f32: 1.0>} : tensor<?x32xf32>, tensor<?xi32>
  %o0 = llm.attention %qr0, %kr0, %v0, %cache {layer = 0 : i64, heads = 4 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x32xf32>, !cache
  %or0 = lowbit.quantize_rows %o0 : tensor<?x64xf32> -> !r
  %h1 = lowbit.linear %or0, (%wq) extra(%h : tensor<?x64xf32>) : !r, (!w) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %e: f32):
    %s = arith.addf %a, %e : f32
    lowbit.yield %s : f32
  }
  %r1 = lowbit.quantize_rows %h1 norm(%g : tensor<64xf32>) {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> !r
  %q1 = lowbit.linear %r1, (%wq) : !r, (!w) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  %k1 = lowbit.linear %r1, (%wk) : !r, (!v) -> tensor<?x32xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  %v1 = lowbit.linear %r1, (%wk) : !r, (!v) -> tensor<?x32xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  %qn1 = llm.rms_norm %q1, %gq {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<16xf32>
  %qr1 = llm.rope %qn1, %positions {head_dim = 16 : i64, inverse_frequencies = array<f32: 1.0>} : tensor<?x64xf32>, tensor<?xi32>
  %kr1 = llm.rope %k1, %positions {head_dim = 16 : i64, inverse_frequencies = array<f32: 1.0>} : tensor<?x32xf32>, tensor<?xi32>
  %o1 = llm.attention %qr1, %kr1, %v1, %cache {layer = 1 : i64, heads = 4 : i64, scale = 0.25 : f32} : tensor<?x64xf32>, tensor<?x32xf32>, !cache
  %l = lowbit.quantize_rows %o1 norm(%g : tensor<64xf32>) select(%rows : tensor<?xi32>) {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> !lowbit.rows<logits x 64, f32>
  %logits = lowbit.linear %l, (%table) : !lowbit.rows<logits x 64, f32>, (!table) -> tensor<?x500xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  return %logits : tensor<?x500xf32>
}
