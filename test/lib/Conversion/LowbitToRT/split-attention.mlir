// RUN: nibble-opt %s --rt-split-attention | FileCheck %s

!cache = !llm.cache<layers = 2, kv_heads = 2, head_dim = 16>

// CHECK-LABEL: func.func @attention(
// CHECK-SAME: %[[Q:[^:]*]]: tensor<?x64xf32>, %[[K:[^:]*]]: tensor<?x32xf32>, %[[C:[^:]*]]: !llm.cache<{{[^>]*}}>, %[[S:[^:]*]]: tensor<4xf32>)
// CHECK: rt.store_kv %[[K]], %[[K]], %[[C]] {head_dim = 16 : i64, kv_heads = 2 : i64, layer = 1 : i64}
// CHECK: %[[O:.*]], %[[P:.*]] = rt.attend %[[Q]], %[[K]], %[[K]], %[[C]] sinks(%[[S]])
// CHECK-SAME: {head_dim = 16 : i64, heads = 4 : i64, kv_heads = 2 : i64, layer = 1 : i64, scale = 2.500000e-01 : f32, softcap = 5.000000e+01 : f32, window = 16 : i64}
// CHECK-SAME: tensor<2048x72xf32>
// CHECK: %[[R:.*]] = rt.merge %[[O]], %[[P]] sinks(%[[S]]) {head_dim = 16 : i64, heads = 4 : i64, kv_heads = 2 : i64, window = 16 : i64}
// CHECK-NOT: llm.attention
// CHECK: return %[[R]]
func.func @attention(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>, %c: !cache, %s: tensor<4xf32>) -> tensor<?x64xf32> {
  %o = llm.attention %q, %k, %k, %c sinks(%s : tensor<4xf32>)
      {layer = 1 : i64, heads = 4 : i64, scale = 0.25 : f32, window = 16 : i64, softcap = 50.0 : f32}
      : tensor<?x64xf32>, tensor<?x32xf32>, !cache
  return %o : tensor<?x64xf32>
}
