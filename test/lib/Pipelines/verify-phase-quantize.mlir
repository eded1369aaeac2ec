// RUN: nibble-opt %s --nibble-verify-phase=phase=quantize --split-input-file --verify-diagnostics

!f = !lowbit.packed<64x128, <f16>>
func.func @good(%x: tensor<?x128xf32>, %ids: tensor<?xi32>) -> (tensor<?x64xf32>, tensor<?x128xf32>) {
  %w = llm.param @w source(<f16>) : !f
  %d = lowbit.dequantize %w : !f -> tensor<64x128xf32>
  %y = llm.linear %x, %d {activations = #lowbit.activations<f32>} : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  %e = llm.embed %ids, %w : tensor<?xi32>, !f -> tensor<?x128xf32>
  return %y, %e : tensor<?x64xf32>, tensor<?x128xf32>
}

// -----

func.func @no_format(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  %w = llm.param @w source(<bf16>) : tensor<64x128xf32>
  // expected-error@+1 {{has a weight without a format after the phase quantize}}
  %y = llm.linear %x, %w : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

func.func @table(%ids: tensor<?xi32>) -> tensor<?x128xf32> {
  %w = llm.param @w source(<bf16>) : tensor<64x128xf32>
  // expected-error@+1 {{has a table without a format after the phase quantize}}
  %y = llm.embed %ids, %w : tensor<?xi32>, tensor<64x128xf32> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// -----

!f = !lowbit.packed<64x128, <f16>>
func.func @no_activations(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  %w = llm.param @w source(<f16>) : !f
  %d = lowbit.dequantize %w : !f -> tensor<64x128xf32>
  // expected-error@+1 {{does not say the precision of its activations after the phase quantize}}
  %y = llm.linear %x, %d : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

!f = !lowbit.packed<64x128, <f16>>
func.func @int8_of_float(%x: tensor<?x128xf32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
  %w = llm.param @w source(<f16>) : !f
  %d = lowbit.dequantize %w : !f -> tensor<64x128xf32>
  // expected-error@+1 {{has integer activations and a float weight after the phase quantize}}
  %y = llm.logits %x, %rows, %d {activations = #lowbit.activations<int8>} : tensor<?x128xf32>, tensor<?xi32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

func.func @foreign(%x: f32) -> f32 {
  // expected-error@+1 {{is left after the phase quantize}}
  %y = math.exp %x : f32
  return %y : f32
}
