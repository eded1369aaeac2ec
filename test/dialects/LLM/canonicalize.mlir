// RUN: nibble-opt %s --canonicalize | FileCheck %s

// A scale of 0 switches the adapter off; any other does not.
// CHECK-LABEL: func.func @lora_off
// CHECK-SAME: (%{{.*}}, %[[BASE:[a-z0-9]+]]: tensor<?x32xf32>
func.func @lora_off(%x: tensor<?x64xf32>, %y: tensor<?x32xf32>, %a: tensor<8x64xf32>, %b: tensor<32x8xf32>)
    -> (tensor<?x32xf32>, tensor<?x32xf32>) {
  // CHECK-NEXT: %[[ON:.*]] = llm.lora
  // CHECK-NEXT: return %[[BASE]], %[[ON]]
  %z = llm.lora %x, %y, %a, %b {scale = 0.0 : f32}
      : tensor<?x64xf32>, tensor<?x32xf32>, tensor<8x64xf32>, tensor<32x8xf32>
  %o = llm.lora %x, %y, %a, %b {scale = 1.0e-3 : f32}
      : tensor<?x64xf32>, tensor<?x32xf32>, tensor<8x64xf32>, tensor<32x8xf32>
  return %z, %o : tensor<?x32xf32>, tensor<?x32xf32>
}

// Ops without effects that nothing reads go; attention stays, for it writes the cache.
// CHECK-LABEL: func.func @unused
func.func @unused(%x: tensor<?x64xf32>, %g: tensor<64xf32>, %c: !llm.cache<layers = 1, kv_heads = 4, head_dim = 16>) {
  // CHECK-NOT: llm.rms_norm
  // CHECK: llm.attention
  %n = llm.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %o = llm.attention %x, %x, %x, %c {layer = 0 : i64, heads = 4 : i64, scale = 0.25 : f32}
      : tensor<?x64xf32>, tensor<?x64xf32>, !llm.cache<layers = 1, kv_heads = 4, head_dim = 16>
  return
}
