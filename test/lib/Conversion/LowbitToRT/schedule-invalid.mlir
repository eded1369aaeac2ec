// RUN: nibble-opt %s --rt-schedule --split-input-file --verify-diagnostics

// expected-error@+1 {{expected one function, the model's step; found 0}}
module {
}

// -----

// expected-error@+1 {{expected a body and the type (ids, positions, rows: tensor<?xi32>, !llm.cache) -> tensor<?xNxf32>, found '(tensor<?xi32>) -> tensor<?xi32>'}}
func.func @step(%ids: tensor<?xi32>) -> tensor<?xi32> {
  return %ids : tensor<?xi32>
}

// -----

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>,
                %cache: !llm.cache<layers = 2, kv_heads = 2, head_dim = 16>) -> tensor<?x64xf32> {
  %table = llm.param @table source(<f16>) : !lowbit.packed<500x64, <f16>>
  %h = llm.embed %ids, %table : tensor<?xi32>, !lowbit.packed<500x64, <f16>> -> tensor<?x64xf32>
  // expected-error@+1 {{has no family of kernels; the fuse phase leaves no such op}}
  %y = llm.glu silu %h, %h : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>,
                %cache: !llm.cache<layers = 2, kv_heads = 2, head_dim = 16>) -> tensor<?x64xf32> {
  %table = llm.param @table source(<f16>) : !lowbit.packed<500x64, <f16>>
  %g = llm.param @g source(<f32>) : tensor<64xf32>
  %h = llm.embed %ids, %table : tensor<?xi32>, !lowbit.packed<500x64, <f16>> -> tensor<?x64xf32>
  // expected-error@+1 {{has no family of kernels unless it only feeds the query or key of attention}}
  %y = llm.rms_norm %h, %g {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// A norm that both attention and another op read.
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>,
                %cache: !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>) -> tensor<?x64xf32> {
  %table = llm.param @table source(<f16>) : !lowbit.packed<500x64, <f16>>
  %g = llm.param @g source(<f32>) : tensor<64xf32>
  %h = llm.embed %ids, %table : tensor<?xi32>, !lowbit.packed<500x64, <f16>> -> tensor<?x64xf32>
  // expected-error@+1 {{has no family of kernels unless it only feeds the query or key of attention}}
  %y = llm.rms_norm %h, %g {eps = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
  rt.store_kv %y, %y, %cache {layer = 0 : i64, kv_heads = 4 : i64, head_dim = 16 : i64}
      : tensor<?x64xf32>, !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>
  return %y : tensor<?x64xf32>
}

// -----

// expected-error@+1 {{returns no result of a kernel}}
func.func @step(%ids: tensor<?xi32>, %positions: tensor<?xi32>, %rows: tensor<?xi32>,
                %cache: !llm.cache<layers = 2, kv_heads = 2, head_dim = 16>) -> tensor<500x64xf32> {
  %table = llm.param @table source(<f16>) : tensor<500x64xf32>
  return %table : tensor<500x64xf32>
}
