// RUN: nibble-opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{the body does not end in rt.yield}}
rt.kernel @no_yield() attributes {family = #rt.family<embed>} {
  %ids = rt.batch token_id : tensor<?xi32>
}

// -----

// expected-error@+1 {{the body does not end in rt.yield}}
"rt.kernel"() <{sym_name = "empty", function_type = () -> (), family = #rt.family<rows>}> ({
^bb0:
}) : () -> ()

// -----

rt.kernel @results(%x: tensor<?x64xf32>) -> tensor<?x32xf32> attributes {family = #rt.family<rows>} {
  // expected-error@+1 {{yields other types than the kernel's results}}
  rt.yield %x : tensor<?x64xf32>
}

// -----

// expected-error@+1 {{arena is [bytes a token, bytes a row of logits, bytes], none negative}}
rt.program @arena attributes {arena = array<i64: 512, 0>} {
}

// -----

rt.program @size {
  // expected-error@+1 {{size is [bytes a token, bytes a row of logits, bytes], none negative}}
  %x = rt.buffer "x" arena size [512] : tensor<?x128xf32>
}

// -----

rt.program @offset {
  // expected-error@+1 {{offset is [bytes a token, bytes a row of logits, bytes], none negative}}
  %x = rt.buffer "x" arena size [512, 0, 0] at [-64, 0, 0] : tensor<?x128xf32>
}

// -----

rt.program @private_offset {
  // expected-error@+1 {{only a private buffer has a private offset}}
  %x = rt.buffer "x" arena size [512, 0, 0] private_at 0 : tensor<?x128xf32>
}

// -----

rt.program @weight {
  // expected-error@+1 {{the recipe ends in format #lowbit.format<bf16> and layout rows, the type is '!lowbit.packed<16x64, <bf16>, panel>'}}
  %w = rt.weight @w source(<bf16>) : !lowbit.packed<16x64, <bf16>, panel>
}

// -----

// expected-error@+1 {{'rt.buffer' op expects parent op 'rt.program'}}
%x = rt.buffer "x" arena size [512, 0, 0] : tensor<?x128xf32>

// -----

// expected-error@+1 {{'rt.dispatch' op expects parent op 'rt.program'}}
rt.dispatch @k() -> () barrier never : () -> ()

// -----

rt.program @missing {
  // expected-error@+1 {{no kernel @rows}}
  rt.dispatch @rows() -> () barrier never : () -> ()
}

// -----

func.func private @rows()
rt.program @no_kernel {
  // expected-error@+1 {{no kernel @rows}}
  rt.dispatch @rows() -> () barrier never : () -> ()
}

// -----

rt.kernel @copy(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {family = #rt.family<rows>} {
  rt.yield %x : tensor<?x64xf32>
}
rt.program @types {
  %x = rt.buffer "x" arena size [128, 0, 0] : tensor<?x32xf32>
  // expected-error@+1 {{passes other types than @copy takes}}
  rt.dispatch @copy(%x) -> (%x) barrier never : (tensor<?x32xf32>) -> tensor<?x32xf32>
}

// -----

!cache = !llm.cache<layers = 1, kv_heads = 2, head_dim = 16>
func.func @store_heads(%k: tensor<?x48xf32>, %c: !cache) {
  // expected-error@+1 {{key and value need 2 heads of 16 columns, found 48 and 48}}
  rt.store_kv %k, %k, %c {layer = 0 : i64, kv_heads = 2 : i64, head_dim = 16 : i64} : tensor<?x48xf32>, !cache
  return
}

// -----

!cache = !llm.cache<layers = 1, kv_heads = 2, head_dim = 16>
func.func @attend_heads(%q: tensor<?x48xf32>, %k: tensor<?x32xf32>, %c: !cache) {
  // expected-error@+1 {{3 heads are no multiple of 2 kv_heads}}
  %o, %p = rt.attend %q, %k, %k, %c {layer = 0 : i64, heads = 3 : i64, kv_heads = 2 : i64, head_dim = 16 : i64, scale = 1.0 : f32}
      : (tensor<?x48xf32>, tensor<?x32xf32>, tensor<?x32xf32>, !cache) -> (tensor<?x48xf32>, tensor<2048x54xf32>)
  return
}

// -----

!cache = !llm.cache<layers = 1, kv_heads = 2, head_dim = 16>
func.func @attend_columns(%q: tensor<?x48xf32>, %k: tensor<?x32xf32>, %c: !cache) {
  // expected-error@+1 {{yields rows of 48 columns for 4 heads of 16}}
  %o, %p = rt.attend %q, %k, %k, %c {layer = 0 : i64, heads = 4 : i64, kv_heads = 2 : i64, head_dim = 16 : i64, scale = 1.0 : f32}
      : (tensor<?x48xf32>, tensor<?x32xf32>, tensor<?x32xf32>, !cache) -> (tensor<?x48xf32>, tensor<2048x72xf32>)
  return
}

// -----

!cache = !llm.cache<layers = 1, kv_heads = 2, head_dim = 16>
func.func @attend_partials(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>, %c: !cache) {
  // expected-error@+1 {{partials need a fixed number of rows of 72 columns, found 'tensor<?x72xf32>'}}
  %o, %p = rt.attend %q, %k, %k, %c {layer = 0 : i64, heads = 4 : i64, kv_heads = 2 : i64, head_dim = 16 : i64, scale = 1.0 : f32}
      : (tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x32xf32>, !cache) -> (tensor<?x64xf32>, tensor<?x72xf32>)
  return
}

// -----

!cache = !llm.cache<layers = 1, kv_heads = 2, head_dim = 16>
func.func @attend_result(%q: tensor<?x64xf32>, %k: tensor<?x32xf32>, %c: !cache) {
  // expected-error@+1 {{yields rows of another type than its query}}
  %o, %p = rt.attend %q, %k, %k, %c {layer = 0 : i64, heads = 4 : i64, kv_heads = 2 : i64, head_dim = 16 : i64, scale = 1.0 : f32}
      : (tensor<?x64xf32>, tensor<?x32xf32>, tensor<?x32xf32>, !cache) -> (tensor<?x32xf32>, tensor<2048x72xf32>)
  return
}

// -----

func.func @merge_result(%o: tensor<?x64xf32>, %p: tensor<2048x72xf32>) {
  // expected-error@+1 {{yields rows of another type than those it merges into}}
  %r = rt.merge %o, %p {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 16 : i64}
      : (tensor<?x64xf32>, tensor<2048x72xf32>) -> tensor<?x32xf32>
  return
}

// -----

func.func @merge_sinks(%o: tensor<?x64xf32>, %p: tensor<2048x72xf32>, %s: tensor<3xf32>) {
  // expected-error@+1 {{has 3 sinks for 4 heads}}
  %r = rt.merge %o, %p sinks(%s) {heads = 4 : i64, kv_heads = 2 : i64, head_dim = 16 : i64}
      : (tensor<?x64xf32>, tensor<2048x72xf32>, tensor<3xf32>) -> tensor<?x64xf32>
  return
}
