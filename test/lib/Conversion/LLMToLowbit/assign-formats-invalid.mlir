// RUN: not nibble-opt %s --lowbit-assign-formats='precision=int5' 2>&1 | FileCheck %s --check-prefix=SPELLING
// SPELLING: error: --precision: "int5" is not a format
// RUN: not nibble-opt %s --lowbit-assign-formats='head=int4 embedding=int8' 2>&1 | FileCheck %s --check-prefix=TIED
// TIED: error: --head=int4 and --embedding=int8 differ, but table is one table for both
// RUN: not nibble-opt %s --lowbit-assign-formats='precision=f16 activations=int8' 2>&1 | FileCheck %s --check-prefix=FLOAT
// FLOAT: error: --activations=int8 needs linears with integer weights, and there is none
// RUN: not nibble-opt %s --lowbit-assign-formats='activations=int6' 2>&1 | FileCheck %s --check-prefix=ACTIVATIONS
// ACTIVATIONS: error: --activations: "int6" is not a precision of activations
// RUN: not nibble-opt %s --lowbit-assign-formats='plan=%t.missing' 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: {{.*}}: cannot be opened
// RUN: echo '{"version": 1, "tensors": {"tabel": {"format": "f16"}}}' > %t.json
// RUN: not nibble-opt %s --lowbit-assign-formats='plan=%t.json' 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: error: {{.*}}: tensor "tabel" is not a weight of this checkpoint that has a format; did you mean "table"?

func.func @tied(%ids: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x64xf32> {
  %table = llm.param @table source(<bf16>) : tensor<64x128xf32>
  %w = llm.param @w source(<f32>) : tensor<128x128xf32>
  %x = llm.embed %ids, %table : tensor<?xi32>, tensor<64x128xf32> -> tensor<?x128xf32>
  %y = llm.linear %x, %w : tensor<?x128xf32>, tensor<128x128xf32> -> tensor<?x128xf32>
  %l = llm.logits %y, %rows, %table : tensor<?x128xf32>, tensor<?xi32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %l : tensor<?x64xf32>
}
