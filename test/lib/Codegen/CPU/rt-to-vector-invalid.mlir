// RUN: nibble-opt %s --split-input-file --verify-diagnostics --rt-to-vector=target=x86-64-v3

!weight = !lowbit.packed<16x64, <int4, group = 32, scale = f16, zero = none>>
// expected-error@+1 {{no CPU kernel reads '!lowbit.packed<16x64, <int4, group = 32, scale = f16, zero = none>>'; it must be packed in panels}}
rt.kernel @layout(%x: !lowbit.rows<tokens x 64, f32>, %w: !weight) -> tensor<?x16xf32> attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !lowbit.rows<tokens x 64, f32>, (!weight) -> tensor<?x16xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : tensor<?x16xf32>
}

// -----

// expected-error@+1 {{a kernel of family linear holds one lowbit.linear}}
rt.kernel @linear(%x: tensor<?x16xf32>) -> tensor<?x16xf32> attributes {family = #rt.family<linear>} {
  rt.yield %x : tensor<?x16xf32>
}

// -----

// expected-error@+1 {{a kernel of family rows holds one lowbit.quantize_rows}}
rt.kernel @rows(%x: tensor<?x16xf32>) -> tensor<?x16xf32> attributes {family = #rt.family<rows>} {
  rt.yield %x : tensor<?x16xf32>
}

// -----

// expected-error@+1 {{a kernel of family embed holds one llm.embed}}
rt.kernel @embed(%x: tensor<?x16xf32>) -> tensor<?x16xf32> attributes {family = #rt.family<embed>} {
  rt.yield %x : tensor<?x16xf32>
}

// -----

// expected-error@+1 {{the embedding table must be packed in panels}}
rt.kernel @table(%t: tensor<32x16xf32>) -> tensor<?x16xf32> attributes {family = #rt.family<embed>} {
  %i = rt.batch token_id : tensor<?xi32>
  %h = llm.embed %i, %t : tensor<?xi32>, tensor<32x16xf32> -> tensor<?x16xf32>
  rt.yield %h : tensor<?x16xf32>
}

// -----

// expected-error@+1 {{a kernel of family attention holds one rt.attend}}
rt.kernel @attention(%x: tensor<?x16xf32>) -> tensor<?x16xf32> attributes {family = #rt.family<attention>} {
  rt.yield %x : tensor<?x16xf32>
}

// -----

// expected-error@+1 {{a kernel of family angles holds one llm.angles}}
rt.kernel @angles(%x: tensor<?x16xf32>) -> tensor<?x16xf32> attributes {family = #rt.family<angles>} {
  rt.yield %x : tensor<?x16xf32>
}

// -----

// expected-error@+1 {{a kernel of family store_kv holds one rt.store_kv}}
rt.kernel @store(%x: tensor<?x16xf32>) -> tensor<?x16xf32> attributes {family = #rt.family<store_kv>} {
  rt.yield %x : tensor<?x16xf32>
}

// -----

// expected-error@+1 {{a kernel of family merge holds one rt.merge}}
rt.kernel @merge(%x: tensor<?x16xf32>) -> tensor<?x16xf32> attributes {family = #rt.family<merge>} {
  rt.yield %x : tensor<?x16xf32>
}

// -----

!cache = !llm.cache<layers = 1, kv_heads = 1, head_dim = 16>
// expected-error@+1 {{attention reads q and k through rms_norm and rotate only, found llm.glu}}
rt.kernel @between(%k: tensor<?x16xf32>, %c: !cache) attributes {family = #rt.family<store_kv>} {
  %g = llm.glu silu %k, %k : tensor<?x16xf32>
  rt.store_kv %g, %k, %c {layer = 0 : i64, kv_heads = 1 : i64, head_dim = 16 : i64} : tensor<?x16xf32>, !cache
  rt.yield
}
