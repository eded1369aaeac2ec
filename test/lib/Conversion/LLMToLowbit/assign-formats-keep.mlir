// RUN: nibble-opt %s --lowbit-assign-formats | FileCheck %s --check-prefixes=CHECK,KEEP
// RUN: nibble-opt %s --lowbit-assign-formats='precision=int4' | FileCheck %s --check-prefixes=CHECK,INT4

// A quantized checkpoint keeps its codes unless told otherwise: no conversion is in the recipe. A weight that has a
// format already keeps it in any case.
// CHECK-LABEL: func.func @quantized
func.func @quantized(%x: tensor<?x128xf32>, %rows: tensor<?xi32>) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  // KEEP: llm.param @w source(<int4, group = 32, scale = f16, zero = min>) : !lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = min>>
  // INT4: llm.param @w source(<int4, group = 32, scale = f16, zero = min>) recipe [#lowbit.convert<<int4, group = 32, scale = f16, zero = none>>]
  %w = llm.param @w source(<int4, group = 32, scale = f16, zero = min>) : tensor<64x128xf32>
  // KEEP: llm.param @head source(<f16>) : !lowbit.packed<64x128, <f16>>
  // INT4: llm.param @head source(<f16>) recipe [#lowbit.convert<<int8, group = 32, scale = f16, zero = none>>]
  %head = llm.param @head source(<f16>) : tensor<64x128xf32>
  // CHECK: llm.param @v source(<bf16>) : !lowbit.packed<64x128, <bf16>>
  %v = llm.param @v source(<bf16>) : !lowbit.packed<64x128, <bf16>>
  %d = lowbit.dequantize %v : !lowbit.packed<64x128, <bf16>> -> tensor<64x128xf32>
  // CHECK: llm.linear %{{.*}} {activations = #lowbit.activations<int8>}
  %y = llm.linear %x, %w : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  // KEEP: llm.logits %{{.*}} {activations = #lowbit.activations<f32>}
  // INT4: llm.logits %{{.*}} {activations = #lowbit.activations<int8>}
  %l = llm.logits %x, %rows, %head : tensor<?x128xf32>, tensor<?xi32>, tensor<64x128xf32> -> tensor<?x64xf32>
  %z = llm.linear %x, %d {activations = #lowbit.activations<f32>} : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %y, %l, %z : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}
