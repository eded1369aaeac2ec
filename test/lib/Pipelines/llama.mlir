// RUN: nibble-opt %s --nibble-verify-phase=phase=import --nibble-quantize=precision=int4 --nibble-fuse --nibble-schedule | FileCheck %s
// RUN: nibble-opt %s --nibble-quantize=precision=f32 --nibble-fuse --nibble-schedule | FileCheck %s --check-prefix=FLOAT

// A Llama of two layers through all phases: the layers share their kernels.
// CHECK-COUNT-15: rt.kernel
// CHECK-NOT: rt.kernel
// CHECK: rt.program @step attributes {arena = array<i64: {{[0-9]+}}, {{[0-9]+}}, 1179648>, private_bytes = {{[0-9]+}} : i64}

// Angles are for all layers. Partials of split attention take 2048 rows of 8 x (16 + 2) numbers, once.
// Of a layer: norm, q, k, v, attention in three, rows, o, norm, gate and up, rows, down.
// CHECK: rt.dispatch @angles_8({{.*}} barrier never
// CHECK: rt.dispatch @{{.*}}embed{{.*}} barrier never
// CHECK: rt.dispatch @rows_norm_128_int8({{.*}} barrier always
// CHECK: rt.dispatch {{.*}} barrier shared {label = "model.layers.0.self_attn.q_proj"}
// CHECK: rt.dispatch {{.*}} barrier never {label = "model.layers.0.self_attn.k_proj"}
// CHECK: rt.dispatch {{.*}} barrier never {label = "model.layers.0.self_attn.v_proj"}
// CHECK: rt.dispatch @store_kv_4x16({{.*}} barrier always
// CHECK: rt.dispatch @attention_8x16_kv4({{.*}} barrier always
// CHECK: rt.dispatch @merge_8x16_kv4({{.*}} barrier always
// CHECK: rt.dispatch @rows_128_int8({{.*}} barrier always
// CHECK: rt.dispatch {{.*}} barrier shared {label = "model.layers.0.self_attn.o_proj"}
// CHECK: rt.dispatch @rows_norm_128_int8({{.*}} barrier always
// CHECK: rt.dispatch {{.*}} barrier shared {label = "model.layers.0.mlp.gate_proj"}
// CHECK: rt.dispatch @rows_384_int8({{.*}} barrier always
// CHECK: rt.dispatch {{.*}} barrier shared {label = "model.layers.0.mlp.down_proj"}
// CHECK: rt.dispatch @rows_norm_128_int8({{.*}} barrier always
// CHECK-NOT: rt.dispatch @angles
// CHECK: rt.dispatch @attention_8x16_kv4
// CHECK: rt.dispatch @rows_norm_128_int8_logits({{.*}} barrier always
// CHECK: rt.buffer "logits"
// CHECK: rt.dispatch {{.*}} barrier shared {label = "head"}

// FLOAT: rt.kernel @embed_2048x128_f32
// FLOAT: rt.kernel @linear_128x128_f32_f32

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>, %cache: !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>) -> tensor<?x2048xf32> {
  %embed_tokens_weight = llm.param @"model.embed_tokens.weight" source(<bf16>) : tensor<2048x128xf32>
  %t1 = llm.embed %ids, %embed_tokens_weight : tensor<?xi32>, tensor<2048x128xf32> -> tensor<?x128xf32>
  %l0_input_layernorm_weight = llm.param @"model.layers.0.input_layernorm.weight" source(<bf16>) : tensor<128xf32>
  %t2 = llm.rms_norm %t1, %l0_input_layernorm_weight {eps = 1.0e-5 : f32} : tensor<?x128xf32>, tensor<128xf32>
  %l0_q = llm.param @"model.layers.0.self_attn.q_proj.weight" source(<bf16>) : tensor<128x128xf32>
  %t3 = llm.linear %t2, %l0_q : tensor<?x128xf32>, tensor<128x128xf32> -> tensor<?x128xf32>
  %l0_k = llm.param @"model.layers.0.self_attn.k_proj.weight" source(<bf16>) : tensor<64x128xf32>
  %t4 = llm.linear %t2, %l0_k : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  %l0_v = llm.param @"model.layers.0.self_attn.v_proj.weight" source(<bf16>) : tensor<64x128xf32>
  %t5 = llm.linear %t2, %l0_v : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  %t6 = llm.rope %t3, %positions {head_dim = 16 : i64, inverse_frequencies = array<f32: 1.0, 0.31622776601683794, 0.1, 0.03162277660168379, 0.01, 0.0031622776601683794, 0.001, 0.00031622776601683794>} : tensor<?x128xf32>, tensor<?xi32>
  %t7 = llm.rope %t4, %positions {head_dim = 16 : i64, inverse_frequencies = array<f32: 1.0, 0.31622776601683794, 0.1, 0.03162277660168379, 0.01, 0.0031622776601683794, 0.001, 0.00031622776601683794>} : tensor<?x64xf32>, tensor<?xi32>
  %t8 = llm.attention %t6, %t7, %t5, %cache {layer = 0 : i64, heads = 8 : i64, scale = 0.25 : f32} : tensor<?x128xf32>, tensor<?x64xf32>, !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>
  %l0_o = llm.param @"model.layers.0.self_attn.o_proj.weight" source(<bf16>) : tensor<128x128xf32>
  %t9 = llm.linear %t8, %l0_o : tensor<?x128xf32>, tensor<128x128xf32> -> tensor<?x128xf32>
  %t10 = arith.addf %t1, %t9 : tensor<?x128xf32>
  %l0_post_attention_layernorm_weight = llm.param @"model.layers.0.post_attention_layernorm.weight" source(<bf16>) : tensor<128xf32>
  %t11 = llm.rms_norm %t10, %l0_post_attention_layernorm_weight {eps = 1.0e-5 : f32} : tensor<?x128xf32>, tensor<128xf32>
  %l0_gate = llm.param @"model.layers.0.mlp.gate_proj.weight" source(<bf16>) : tensor<384x128xf32>
  %t12 = llm.linear %t11, %l0_gate : tensor<?x128xf32>, tensor<384x128xf32> -> tensor<?x384xf32>
  %l0_up = llm.param @"model.layers.0.mlp.up_proj.weight" source(<bf16>) : tensor<384x128xf32>
  %t13 = llm.linear %t11, %l0_up : tensor<?x128xf32>, tensor<384x128xf32> -> tensor<?x384xf32>
  %t14 = llm.glu silu %t12, %t13 : tensor<?x384xf32>
  %l0_down = llm.param @"model.layers.0.mlp.down_proj.weight" source(<bf16>) : tensor<128x384xf32>
  %t15 = llm.linear %t14, %l0_down : tensor<?x384xf32>, tensor<128x384xf32> -> tensor<?x128xf32>
  %t16 = arith.addf %t10, %t15 : tensor<?x128xf32>
  %l1_input_layernorm_weight = llm.param @"model.layers.1.input_layernorm.weight" source(<bf16>) : tensor<128xf32>
  %t17 = llm.rms_norm %t16, %l1_input_layernorm_weight {eps = 1.0e-5 : f32} : tensor<?x128xf32>, tensor<128xf32>
  %l1_q = llm.param @"model.layers.1.self_attn.q_proj.weight" source(<bf16>) : tensor<128x128xf32>
  %t18 = llm.linear %t17, %l1_q : tensor<?x128xf32>, tensor<128x128xf32> -> tensor<?x128xf32>
  %l1_k = llm.param @"model.layers.1.self_attn.k_proj.weight" source(<bf16>) : tensor<64x128xf32>
  %t19 = llm.linear %t17, %l1_k : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  %l1_v = llm.param @"model.layers.1.self_attn.v_proj.weight" source(<bf16>) : tensor<64x128xf32>
  %t20 = llm.linear %t17, %l1_v : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  %t21 = llm.rope %t18, %positions {head_dim = 16 : i64, inverse_frequencies = array<f32: 1.0, 0.31622776601683794, 0.1, 0.03162277660168379, 0.01, 0.0031622776601683794, 0.001, 0.00031622776601683794>} : tensor<?x128xf32>, tensor<?xi32>
  %t22 = llm.rope %t19, %positions {head_dim = 16 : i64, inverse_frequencies = array<f32: 1.0, 0.31622776601683794, 0.1, 0.03162277660168379, 0.01, 0.0031622776601683794, 0.001, 0.00031622776601683794>} : tensor<?x64xf32>, tensor<?xi32>
  %t23 = llm.attention %t21, %t22, %t20, %cache {layer = 1 : i64, heads = 8 : i64, scale = 0.25 : f32} : tensor<?x128xf32>, tensor<?x64xf32>, !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>
  %l1_o = llm.param @"model.layers.1.self_attn.o_proj.weight" source(<bf16>) : tensor<128x128xf32>
  %t24 = llm.linear %t23, %l1_o : tensor<?x128xf32>, tensor<128x128xf32> -> tensor<?x128xf32>
  %t25 = arith.addf %t16, %t24 : tensor<?x128xf32>
  %l1_post_attention_layernorm_weight = llm.param @"model.layers.1.post_attention_layernorm.weight" source(<bf16>) : tensor<128xf32>
  %t26 = llm.rms_norm %t25, %l1_post_attention_layernorm_weight {eps = 1.0e-5 : f32} : tensor<?x128xf32>, tensor<128xf32>
  %l1_mlp_gate = llm.param @"model.layers.1.mlp.gate_proj.weight" source(<bf16>) : tensor<384x128xf32>
  %t27 = llm.linear %t26, %l1_mlp_gate : tensor<?x128xf32>, tensor<384x128xf32> -> tensor<?x384xf32>
  %l1_mlp_up = llm.param @"model.layers.1.mlp.up_proj.weight" source(<bf16>) : tensor<384x128xf32>
  %t28 = llm.linear %t26, %l1_mlp_up : tensor<?x128xf32>, tensor<384x128xf32> -> tensor<?x384xf32>
  %t29 = llm.glu silu %t27, %t28 : tensor<?x384xf32>
  %l1_mlp_down = llm.param @"model.layers.1.mlp.down_proj.weight" source(<bf16>) : tensor<128x384xf32>
  %t30 = llm.linear %t29, %l1_mlp_down : tensor<?x384xf32>, tensor<128x384xf32> -> tensor<?x128xf32>
  %t31 = arith.addf %t25, %t30 : tensor<?x128xf32>
  %norm_weight = llm.param @"model.norm.weight" source(<bf16>) : tensor<128xf32>
  %t32 = llm.rms_norm %t31, %norm_weight {eps = 1.0e-5 : f32} : tensor<?x128xf32>, tensor<128xf32>
  %logits = llm.logits %t32, %rows, %embed_tokens_weight : tensor<?x128xf32>, tensor<?xi32>, tensor<2048x128xf32> -> tensor<?x2048xf32>
  return %logits : tensor<?x2048xf32>
}
