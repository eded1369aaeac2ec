// RUN: nibble-opt %s | nibble-opt | FileCheck %s
// RUN: nibble-opt %s --mlir-print-op-generic | nibble-opt | FileCheck %s
// RUN: nibble-opt %s --emit-bytecode | nibble-opt | FileCheck %s

// CHECK-LABEL: rt.kernel @norm
// CHECK-SAME: attributes {family = #rt.family<rows>}
rt.kernel @norm(%x: tensor<?x128xf32>, %g: tensor<128xf32>) -> !lowbit.rows<tokens x 128, f32>
    attributes {family = #rt.family<rows>} {
  %r = lowbit.quantize_rows %x norm(%g : tensor<128xf32>) {eps = 1.0e-6 : f32}
      : tensor<?x128xf32> -> !lowbit.rows<tokens x 128, f32>
  rt.yield %r : !lowbit.rows<tokens x 128, f32>
}

// CHECK-LABEL: rt.kernel private @ids
rt.kernel private @ids() -> (tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) attributes {family = #rt.family<embed>} {
  // CHECK: rt.batch token_id : tensor<?xi32>
  %i = rt.batch token_id : tensor<?xi32>
  // CHECK: rt.batch position : tensor<?xi32>
  %p = rt.batch position : tensor<?xi32>
  // CHECK: rt.batch logits_row : tensor<?xi32>
  %l = rt.batch logits_row : tensor<?xi32>
  // CHECK: rt.yield %{{.*}}, %{{.*}}, %{{.*}} : tensor<?xi32>, tensor<?xi32>, tensor<?xi32>
  rt.yield %i, %p, %l : tensor<?xi32>, tensor<?xi32>, tensor<?xi32>
}

// CHECK-LABEL: rt.kernel @nothing() attributes {family = #rt.family<linear>}
rt.kernel @nothing() attributes {family = #rt.family<linear>} {
  // CHECK-NEXT: rt.yield
  rt.yield
}

// CHECK-LABEL: rt.kernel @store
rt.kernel @store(%k: tensor<?x64xf32>, %c: !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>)
    attributes {family = #rt.family<store_kv>} {
  // CHECK: rt.store_kv %{{.*}}, %{{.*}}, %{{.*}} {head_dim = 16 : i64, kv_heads = 4 : i64, layer = 0 : i64} : tensor<?x64xf32>, !llm.cache<
  rt.store_kv %k, %k, %c {layer = 0 : i64, kv_heads = 4 : i64, head_dim = 16 : i64}
      : tensor<?x64xf32>, !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>
  rt.yield
}

// CHECK-LABEL: rt.kernel @attend
rt.kernel @attend(%q: tensor<?x128xf32>, %k: tensor<?x64xf32>, %c: !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>,
                  %s: tensor<8xf32>) -> tensor<?x128xf32> attributes {family = #rt.family<attention>} {
  // CHECK: %[[O:.*]], %[[P:.*]] = rt.attend %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} sinks(%{{.*}}) {head_dim = 16 : i64, heads = 8 : i64, kv_heads = 4 : i64, layer = 0 : i64, scale = 2.500000e-01 : f32, softcap = 5.000000e+00 : f32, window = 7 : i64} :
  %o, %p = rt.attend %q, %k, %k, %c sinks(%s)
      {layer = 0 : i64, heads = 8 : i64, kv_heads = 4 : i64, head_dim = 16 : i64, scale = 0.25 : f32, window = 7 : i64, softcap = 5.0 : f32}
      : (tensor<?x128xf32>, tensor<?x64xf32>, tensor<?x64xf32>, !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>, tensor<8xf32>)
      -> (tensor<?x128xf32>, tensor<2048x144xf32>)
  // CHECK: rt.merge %[[O]], %[[P]] sinks(%{{.*}}) {head_dim = 16 : i64, heads = 8 : i64, kv_heads = 4 : i64, window = 7 : i64}
  %r = rt.merge %o, %p sinks(%s) {heads = 8 : i64, kv_heads = 4 : i64, head_dim = 16 : i64, window = 7 : i64}
      : (tensor<?x128xf32>, tensor<2048x144xf32>, tensor<8xf32>) -> tensor<?x128xf32>
  rt.yield %r : tensor<?x128xf32>
}

// CHECK-LABEL: rt.program @step attributes {arena = array<i64: 1024, 0, 64>, private_bytes = 8192 : i64}
rt.program @step attributes {arena = array<i64: 1024, 0, 64>, private_bytes = 8192 : i64} {
  // CHECK: rt.buffer "hidden" arena size [512, 0, 0] at [0, 0, 0] : tensor<?x128xf32>
  %x = rt.buffer "hidden" arena size [512, 0, 0] at [0, 0, 0] : tensor<?x128xf32>
  // CHECK: rt.buffer "rows" private size [512, 0, 0] at [512, 0, 0] private_at 0
  %y = rt.buffer "rows" private size [512, 0, 0] at [512, 0, 0] private_at 0 : !lowbit.rows<tokens x 128, f32>
  %g = rt.weight @gain source(<f32>) : tensor<128xf32>
  // CHECK: rt.cache 1
  %c = rt.cache 1 : !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>
  // CHECK: rt.dispatch @norm(%{{.*}}, %{{.*}}) -> (%{{.*}}) barrier shared :
  rt.dispatch @norm(%x, %g) -> (%y) barrier shared
      : (tensor<?x128xf32>, tensor<128xf32>) -> !lowbit.rows<tokens x 128, f32>
  // CHECK: rt.weight @w source(<f32>) recipe [#lowbit.convert<<bf16>>] : !lowbit.packed<16x64, <bf16>>
  %w = rt.weight @w source(<f32>) recipe [#lowbit.convert<<bf16>>] : !lowbit.packed<16x64, <bf16>>
  // CHECK: rt.dispatch @nothing() -> () barrier never {label = "layer 0"} : () -> ()
  rt.dispatch @nothing() -> () barrier never {label = "layer 0"} : () -> ()
  // CHECK: rt.dispatch @nothing() -> () barrier always : () -> ()
  rt.dispatch @nothing() -> () barrier always : () -> ()
}

// CHECK-LABEL: func.func private @attributes
// CHECK-SAME: barrier = #rt<barrier shared>, family = #rt.family<attention>
// CHECK-SAME: field = #rt<batch_field position>, space = #rt<space private>
func.func private @attributes() attributes {
  barrier = #rt<barrier shared>, family = #rt.family<attention>, field = #rt<batch_field position>,
  space = #rt<space private>}
