// RUN: nibble-opt %s --nibble-verify-phase=phase=fuse --split-input-file --verify-diagnostics

!w = !lowbit.packed<64x128, <f16>, panel>
!r = !lowbit.rows<tokens x 128, f32>
func.func @good(%x: tensor<?x128xf32>) -> tensor<?x64xf32> {
  %w = llm.param @w source(<f16>) recipe [#lowbit.pack<panel>] : !w
  %r = lowbit.quantize_rows %x : tensor<?x128xf32> -> !r
  %y = lowbit.linear %r, (%w) : !r, (!w) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    %b = math.exp %a : f32
    lowbit.yield %b : f32
  }
  return %y : tensor<?x64xf32>
}

// -----

!f = !lowbit.packed<64x128, <f16>, panel>
func.func @dequantize(%x: tensor<?x128xf32>) -> tensor<64x128xf32> {
  %w = llm.param @w source(<f16>) recipe [#lowbit.pack<panel>] : !f
  // expected-error@+1 {{is left after the phase fuse}}
  %d = lowbit.dequantize %w : !f -> tensor<64x128xf32>
  return %d : tensor<64x128xf32>
}

// -----

func.func @residual(%x: tensor<?x128xf32>) -> tensor<?x128xf32> {
  // expected-error@+1 {{is left outside of an epilogue after the phase fuse}}
  %y = arith.addf %x, %x : tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// -----

func.func @layout() {
  // expected-error@+1 {{is a weight that does not lie in panels after the phase fuse}}
  %w = llm.param @w source(<f16>) : !lowbit.packed<64x128, <f16>>
  return
}

// -----

func.func @table(%ids: tensor<?xi32>) -> tensor<?x128xf32> {
  %w = llm.param @w source(<bf16>) : tensor<64x128xf32>
  // expected-error@+1 {{has a table without a format after the phase fuse}}
  %y = llm.embed %ids, %w : tensor<?xi32>, tensor<64x128xf32> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}
