// RUN: nibble-opt %s | nibble-opt | FileCheck %s
// RUN: nibble-opt %s --mlir-print-op-generic | nibble-opt | FileCheck %s
// RUN: nibble-opt %s --emit-bytecode | nibble-opt | FileCheck %s

// CHECK-LABEL: func.func @layer
func.func @layer(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>,
                 %cache: !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>) -> tensor<?x2048xf32> {
  // CHECK: llm.param @table source(<bf16>) : tensor<2048x128xf32>
  %table = llm.param @table source(<bf16>) : tensor<2048x128xf32>
  // CHECK: llm.embed %{{.*}}, %{{.*}} : tensor<?xi32>, tensor<2048x128xf32> -> tensor<?x128xf32>
  %h = llm.embed %ids, %table : tensor<?xi32>, tensor<2048x128xf32> -> tensor<?x128xf32>
  %gain = llm.param @gain source(<f32>) : tensor<128xf32>
  // CHECK: llm.rms_norm %{{.*}}, %{{.*}} {eps = 9.99999997E-7 : f32} : tensor<?x128xf32>, tensor<128xf32>
  %x = llm.rms_norm %h, %gain {eps = 1.0e-6 : f32} : tensor<?x128xf32>, tensor<128xf32>
  // CHECK: llm.layer_norm
  %ln = llm.layer_norm %x, %gain, %gain {eps = 1.0e-6 : f32} : tensor<?x128xf32>, tensor<128xf32>
  // CHECK: llm.param @wq source(<int4, group = 32, scale = f16, zero = none>) recipe [#lowbit.unpermute_rows<heads = 8>]
  %wq = llm.param @wq source(<int4, group = 32, scale = f16, zero = none>) recipe [#lowbit.unpermute_rows<heads = 8>]
      : tensor<128x128xf32>
  %wk = llm.param @wk source(<f32>) : tensor<64x128xf32>
  // CHECK: llm.linear %{{.*}}, %{{.*}} bias(%{{.*}} : tensor<128xf32>) {activations = #lowbit.activations<int8>}
  %q = llm.linear %x, %wq bias(%gain : tensor<128xf32>) {activations = #lowbit.activations<int8>}
      : tensor<?x128xf32>, tensor<128x128xf32> -> tensor<?x128xf32>
  %k = llm.linear %x, %wk : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  // CHECK: llm.rope
  %qr = llm.rope %q, %positions {head_dim = 16 : i64, inverse_frequencies = array<f32: 1.0, 0.1>}
      : tensor<?x128xf32>, tensor<?xi32>
  // CHECK: llm.attention {{.*}} {heads = 8 : i64, layer = 1 : i64, scale = 2.500000e-01 : f32, window = 16 : i64}
  %o = llm.attention %qr, %k, %k, %cache {layer = 1 : i64, heads = 8 : i64, scale = 0.25 : f32, window = 16 : i64}
      : tensor<?x128xf32>, tensor<?x64xf32>, !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>
  // CHECK: llm.glu silu
  %g = llm.glu silu %o, %ln : tensor<?x128xf32>
  %experts = llm.param @experts source(<f32>) : tensor<4x32x128xf32>
  %down = llm.param @down source(<f32>) : tensor<4x128x32xf32>
  %router = llm.param @router source(<f32>) : tensor<4x128xf32>
  // CHECK: llm.moe silu {{.*}} {experts_per_token = 2 : i64, normalize}
  %m = llm.moe silu %g, %router, %experts, %experts, %down {experts_per_token = 2 : i64, normalize}
      : tensor<?x128xf32>, tensor<4x128xf32>, tensor<4x32x128xf32>, tensor<4x128x32xf32>
  %a = llm.param @a source(<f32>) : tensor<8x128xf32>
  %b = llm.param @b source(<f32>) : tensor<128x8xf32>
  // CHECK: llm.lora
  %l = llm.lora %x, %m, %a, %b {scale = 2.0 : f32}
      : tensor<?x128xf32>, tensor<?x128xf32>, tensor<8x128xf32>, tensor<128x8xf32>
  // CHECK: llm.logits
  %logits = llm.logits %l, %rows, %table
      : tensor<?x128xf32>, tensor<?xi32>, tensor<2048x128xf32> -> tensor<?x2048xf32>
  return %logits : tensor<?x2048xf32>
}

// What the layer above does not have.
// CHECK-LABEL: func.func @options
func.func @options(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %sinks: tensor<8xf32>,
                   %cache: !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>) -> tensor<?x512xf32> {
  // CHECK: llm.param @table source(<f32>) recipe [#lowbit.convert<<bf16>>, #lowbit.pack<panel>] : !lowbit.packed<512x64, <bf16>, panel>
  %table = llm.param @table source(<f32>) recipe [#lowbit.convert<<bf16>>, #lowbit.pack<panel>]
      : !lowbit.packed<512x64, <bf16>, panel>
  // CHECK: llm.embed %{{.*}}, %{{.*}} {scale = 8.000000e+00 : f32} : tensor<?xi32>, !lowbit.packed<512x64, <bf16>, panel> -> tensor<?x64xf32>
  %h = llm.embed %ids, %table {scale = 8.0 : f32} : tensor<?xi32>, !lowbit.packed<512x64, <bf16>, panel> -> tensor<?x64xf32>
  %wq = llm.param @wq source(<f16>) : tensor<128x64xf32>
  // CHECK: llm.linear %{{.*}}, %{{.*}} {activations = #lowbit.activations<f32>}
  %q = llm.linear %h, %wq {activations = #lowbit.activations<f32>} : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32>
  // CHECK: llm.rope %{{.*}}, %{{.*}} {attention_factor = 1.250000e+00 : f32, head_dim = 16 : i64,
  // CHECK-SAME: inverse_frequencies = array<f32: 1.000000e+00>} : tensor<?x128xf32>, tensor<?xi32>
  %r = llm.rope %q, %positions {head_dim = 16 : i64, inverse_frequencies = array<f32: 1.0>, attention_factor = 1.25 : f32}
      : tensor<?x128xf32>, tensor<?xi32>
  // CHECK: %[[A:.*]] = llm.angles %{{.*}} {attention_factor = 1.250000e+00 : f32, inverse_frequencies = array<f32: 1.000000e+00>} : tensor<?xi32> -> tensor<?x2xf32>
  %a = llm.angles %positions {inverse_frequencies = array<f32: 1.0>, attention_factor = 1.25 : f32} : tensor<?xi32> -> tensor<?x2xf32>
  // CHECK: llm.rotate %{{.*}}, %[[A]] {head_dim = 16 : i64} : tensor<?x128xf32>, tensor<?x2xf32>
  %turned = llm.rotate %q, %a {head_dim = 16 : i64} : tensor<?x128xf32>, tensor<?x2xf32>
  // CHECK: llm.attention {{.*}} sinks(%{{.*}} : tensor<8xf32>) {{.*}}softcap = 5.000000e+01 : f32
  %o = llm.attention %r, %h, %h, %cache sinks(%sinks : tensor<8xf32>)
      {layer = 0 : i64, heads = 8 : i64, scale = 0.25 : f32, softcap = 50.0 : f32}
      : tensor<?x128xf32>, tensor<?x64xf32>, !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>
  // CHECK: llm.glu gelu %
  %g = llm.glu gelu %o, %o : tensor<?x128xf32>
  // CHECK: llm.glu gelu_tanh %
  %t = llm.glu gelu_tanh %g, %o : tensor<?x128xf32>
  %head = llm.param @head source(<bf16>) : tensor<512x128xf32>
  // CHECK: llm.logits {{.*}} {activations = #lowbit.activations<int8>}
  %logits = llm.logits %t, %rows, %head {activations = #lowbit.activations<int8>}
      : tensor<?x128xf32>, tensor<?xi32>, tensor<512x128xf32> -> tensor<?x512xf32>
  return %logits : tensor<?x512xf32>
}

// CHECK-LABEL: func.func private @attributes
// CHECK-SAME: activation = #llm<activation gelu_tanh>
func.func private @attributes() attributes {activation = #llm<activation gelu_tanh>}
