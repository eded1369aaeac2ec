// RUN: nibble-opt %s --lowbit-assign-formats --verify-diagnostics

func.func @computed(%x: tensor<?x128xf32>, %w: tensor<64x128xf32>) -> tensor<?x64xf32> {
  // expected-error@+1 {{has a weight that is no llm.param}}
  %y = llm.linear %x, %w : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
