// RUN: nibble-opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{a cache has positive layers, kv_heads and head_dim}}
func.func private @layers(!llm.cache<layers = 0, kv_heads = 4, head_dim = 16>)

// -----

// expected-error@+1 {{a cache has positive layers, kv_heads and head_dim}}
func.func private @kv_heads(!llm.cache<layers = 2, kv_heads = -1, head_dim = 16>)

// -----

// expected-error@+1 {{a cache has positive layers, kv_heads and head_dim}}
func.func private @head_dim(!llm.cache<layers = 2, kv_heads = 4, head_dim = 0>)

// -----

// expected-error@+1 {{unknown recipe step 7 : i64}}
%w = llm.param @w source(<bf16>) recipe [7] : tensor<16x64xf32>

// -----

// expected-error@+1 {{packs rows before the recipe's last step}}
%w = llm.param @w source(<f32>) recipe [#lowbit.pack<panel>, #lowbit.convert<<bf16>>] : !lowbit.packed<16x64, <bf16>, panel>

// -----

// expected-error@+1 {{the recipe ends in format #lowbit.format<f32> and layout rows, the type is '!lowbit.packed<16x64, <bf16>>'}}
%w = llm.param @w source(<f32>) : !lowbit.packed<16x64, <bf16>>

// -----

// expected-error@+1 {{the recipe ends in format #lowbit.format<bf16> and layout panel, the type is '!lowbit.packed<16x64, <bf16>>'}}
%w = llm.param @w source(<f32>) recipe [#lowbit.convert<<bf16>>, #lowbit.pack<panel>] : !lowbit.packed<16x64, <bf16>>

// -----

func.func @embed(%ids: tensor<?xi32>, %table: tensor<512x64xf32>) {
  // expected-error@+1 {{yields rows of 32 columns from a table of 64}}
  %h = llm.embed %ids, %table : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x32xf32>
  return
}

// -----

func.func @embed_packed(%ids: tensor<?xi32>, %table: !lowbit.packed<512x64, <bf16>>) {
  // expected-error@+1 {{yields rows of 32 columns from a table of 64}}
  %h = llm.embed %ids, %table : tensor<?xi32>, !lowbit.packed<512x64, <bf16>> -> tensor<?x32xf32>
  return
}

// -----

func.func @rms_norm(%x: tensor<?x64xf32>, %g: tensor<48xf32>) {
  // expected-error@+1 {{the gain's 48 elements do not divide rows of 64}}
  %y = llm.rms_norm %x, %g {eps = 1.0e-6 : f32} : tensor<?x64xf32>, tensor<48xf32>
  return
}

// -----

func.func @rms_norm_empty(%x: tensor<?x64xf32>, %g: tensor<0xf32>) {
  // expected-error@+1 {{the gain's 0 elements do not divide rows of 64}}
  %y = llm.rms_norm %x, %g {eps = 1.0e-6 : f32} : tensor<?x64xf32>, tensor<0xf32>
  return
}

// -----

func.func @layer_norm(%x: tensor<?x64xf32>, %g: tensor<32xf32>) {
  // expected-error@+1 {{gain and bias need the row's 64 elements}}
  %y = llm.layer_norm %x, %g, %g {eps = 1.0e-6 : f32} : tensor<?x64xf32>, tensor<32xf32>
  return
}

// -----

func.func @linear(%x: tensor<?x32xf32>, %w: tensor<16x64xf32>) {
  // expected-error@+1 {{multiplies rows of 32 columns by a weight of 16x64 and yields 16 columns}}
  %y = llm.linear %x, %w : tensor<?x32xf32>, tensor<16x64xf32> -> tensor<?x16xf32>
  return
}

// -----

func.func @linear_bias(%x: tensor<?x64xf32>, %w: tensor<16x64xf32>, %b: tensor<64xf32>) {
  // expected-error@+1 {{bias has 64 elements for 16 columns}}
  %y = llm.linear %x, %w bias(%b : tensor<64xf32>) : tensor<?x64xf32>, tensor<16x64xf32> -> tensor<?x16xf32>
  return
}

// -----

func.func @logits(%x: tensor<?x64xf32>, %rows: tensor<?xi32>, %w: tensor<512x64xf32>) {
  // expected-error@+1 {{multiplies rows of 64 columns by a weight of 512x64 and yields 500 columns}}
  %y = llm.logits %x, %rows, %w : tensor<?x64xf32>, tensor<?xi32>, tensor<512x64xf32> -> tensor<?x500xf32>
  return
}

// -----

func.func @rope_head_dim(%x: tensor<?x64xf32>, %p: tensor<?xi32>) {
  // expected-error@+1 {{head_dim 24 does not divide rows of 64}}
  %y = llm.rope %x, %p {head_dim = 24 : i64, inverse_frequencies = array<f32: 1.0>} : tensor<?x64xf32>, tensor<?xi32>
  return
}

// -----

func.func @rope_zero(%x: tensor<?x64xf32>, %p: tensor<?xi32>) {
  // expected-error@+1 {{head_dim 0 does not divide rows of 64}}
  %y = llm.rope %x, %p {head_dim = 0 : i64, inverse_frequencies = array<f32: 1.0>} : tensor<?x64xf32>, tensor<?xi32>
  return
}

// -----

func.func @rope_frequencies(%x: tensor<?x64xf32>, %p: tensor<?xi32>) {
  // expected-error@+1 {{3 frequencies rotate 6 elements of a head of 4}}
  %y = llm.rope %x, %p {head_dim = 4 : i64, inverse_frequencies = array<f32: 1.0, 0.1, 0.01>}
      : tensor<?x64xf32>, tensor<?xi32>
  return
}

// -----

func.func @rope_nothing(%x: tensor<?x64xf32>, %p: tensor<?xi32>) {
  // expected-error@+1 {{0 frequencies rotate 0 elements of a head of 4}}
  %y = llm.rope %x, %p {head_dim = 4 : i64, inverse_frequencies = array<f32>} : tensor<?x64xf32>, tensor<?xi32>
  return
}

// -----

func.func @angles_columns(%p: tensor<?xi32>) {
  // expected-error@+1 {{2 frequencies make rows of 4 columns, found 6}}
  %a = llm.angles %p {inverse_frequencies = array<f32: 1.0, 0.1>} : tensor<?xi32> -> tensor<?x6xf32>
  return
}

// -----

func.func @angles_nothing(%p: tensor<?xi32>) {
  // expected-error@+1 {{0 frequencies make rows of 0 columns, found 0}}
  %a = llm.angles %p {inverse_frequencies = array<f32>} : tensor<?xi32> -> tensor<?x0xf32>
  return
}

// -----

func.func @rotate_head_dim(%x: tensor<?x64xf32>, %a: tensor<?x4xf32>) {
  // expected-error@+1 {{head_dim 24 does not divide rows of 64}}
  %y = llm.rotate %x, %a {head_dim = 24 : i64} : tensor<?x64xf32>, tensor<?x4xf32>
  return
}

// -----

func.func @rotate_pairs(%x: tensor<?x64xf32>, %a: tensor<?x3xf32>) {
  // expected-error@+1 {{angles of 3 columns do not turn pairs of a head of 16}}
  %y = llm.rotate %x, %a {head_dim = 16 : i64} : tensor<?x64xf32>, tensor<?x3xf32>
  return
}

// -----

func.func @rotate_more(%x: tensor<?x64xf32>, %a: tensor<?x18xf32>) {
  // expected-error@+1 {{angles of 18 columns do not turn pairs of a head of 16}}
  %y = llm.rotate %x, %a {head_dim = 16 : i64} : tensor<?x64xf32>, tensor<?x18xf32>
  return
}

// -----

!cache = !llm.cache<layers = 2, kv_heads = 2, head_dim = 16>
func.func @attention_layer(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>, %c: !cache) {
  // expected-error@+1 {{layer 2 of a cache of 2}}
  %o = llm.attention %q, %k, %k, %c {layer = 2 : i64, heads = 4 : i64, scale = 0.25 : f32}
      : tensor<?x64xf32>, tensor<?x32xf32>, !cache
  return
}

// -----

!cache = !llm.cache<layers = 2, kv_heads = 2, head_dim = 16>
func.func @attention_heads(%q: tensor<?x48xf32>, %k: tensor<?x32xf32>, %c: !cache) {
  // expected-error@+1 {{3 heads are no multiple of 2 kv_heads}}
  %o = llm.attention %q, %k, %k, %c {layer = 0 : i64, heads = 3 : i64, scale = 0.25 : f32}
      : tensor<?x48xf32>, tensor<?x32xf32>, !cache
  return
}

// -----

!cache = !llm.cache<layers = 2, kv_heads = 2, head_dim = 16>
func.func @attention_query(%q: tensor<?x48xf32>, %k: tensor<?x32xf32>, %c: !cache) {
  // expected-error@+1 {{query has 48 columns for 4 heads of 16}}
  %o = llm.attention %q, %k, %k, %c {layer = 0 : i64, heads = 4 : i64, scale = 0.25 : f32}
      : tensor<?x48xf32>, tensor<?x32xf32>, !cache
  return
}

// -----

!cache = !llm.cache<layers = 2, kv_heads = 2, head_dim = 16>
func.func @attention_key(%q: tensor<?x64xf32>, %k: tensor<?x64xf32>, %c: !cache) {
  // expected-error@+1 {{key and value need 2 heads of 16 columns, found 64 and 64}}
  %o = llm.attention %q, %k, %k, %c {layer = 0 : i64, heads = 4 : i64, scale = 0.25 : f32}
      : tensor<?x64xf32>, tensor<?x64xf32>, !cache
  return
}

// -----

!cache = !llm.cache<layers = 2, kv_heads = 2, head_dim = 16>
func.func @attention_sinks(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>, %c: !cache, %s: tensor<2xf32>) {
  // expected-error@+1 {{has 2 sinks for 4 heads}}
  %o = llm.attention %q, %k, %k, %c sinks(%s : tensor<2xf32>) {layer = 0 : i64, heads = 4 : i64, scale = 0.25 : f32}
      : tensor<?x64xf32>, tensor<?x32xf32>, !cache
  return
}

// -----

!cache = !llm.cache<layers = 2, kv_heads = 2, head_dim = 16>
func.func @attention_window(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>, %c: !cache) {
  // expected-error@+1 {{the window is positive, found 0}}
  %o = llm.attention %q, %k, %k, %c {layer = 0 : i64, heads = 4 : i64, scale = 0.25 : f32, window = 0 : i64}
      : tensor<?x64xf32>, tensor<?x32xf32>, !cache
  return
}

// -----

func.func @moe_shapes(%x: tensor<?x64xf32>, %r: tensor<4x64xf32>, %g: tensor<4x32x64xf32>, %d: tensor<4x32x64xf32>) {
  // expected-error@+1 {{the shapes of router 'tensor<4x64xf32>', gate 'tensor<4x32x64xf32>', up 'tensor<4x32x64xf32>' and down 'tensor<4x32x64xf32>' do not fit}}
  %y = llm.moe silu %x, %r, %g, %g, %d {experts_per_token = 2 : i64}
      : tensor<?x64xf32>, tensor<4x64xf32>, tensor<4x32x64xf32>, tensor<4x32x64xf32>
  return
}

// -----

func.func @moe_experts(%x: tensor<?x64xf32>, %r: tensor<4x64xf32>, %g: tensor<4x32x64xf32>, %d: tensor<4x64x32xf32>) {
  // expected-error@+1 {{chooses 5 of 4 experts}}
  %y = llm.moe silu %x, %r, %g, %g, %d {experts_per_token = 5 : i64}
      : tensor<?x64xf32>, tensor<4x64xf32>, tensor<4x32x64xf32>, tensor<4x64x32xf32>
  return
}

// -----

func.func @lora(%x: tensor<?x64xf32>, %y: tensor<?x32xf32>, %a: tensor<8x64xf32>, %b: tensor<32x4xf32>) {
  // expected-error@+1 {{A 'tensor<8x64xf32>' and B 'tensor<32x4xf32>' do not fit rows of 64 and 32 columns}}
  %z = llm.lora %x, %y, %a, %b {scale = 2.0 : f32}
      : tensor<?x64xf32>, tensor<?x32xf32>, tensor<8x64xf32>, tensor<32x4xf32>
  return
}
