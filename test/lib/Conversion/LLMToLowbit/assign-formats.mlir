// RUN: nibble-opt %s --lowbit-assign-formats | FileCheck %s --check-prefixes=CHECK,INT4
// RUN: nibble-opt %s --lowbit-assign-formats='precision=bf16' | FileCheck %s --check-prefixes=CHECK,BF16
// RUN: nibble-opt %s --lowbit-assign-formats='precision=int8-g64 head=int4-g128 activations=f32' | FileCheck %s --check-prefixes=CHECK,HEAD
// RUN: nibble-opt %s --lowbit-assign-formats='precision=int4-zero head=nf4' | FileCheck %s --check-prefixes=CHECK,CODES
// RUN: echo '{"version": 1, "tensors": {"k": {"format": "int8-channel", "activations": "f32"}, "table": {"format": "f16"}}}' > %t.json
// RUN: nibble-opt %s --lowbit-assign-formats='precision=int4-g64 plan=%t.json' | FileCheck %s --check-prefixes=CHECK,PLAN

// A tied table has one format, is one parameter, and is read by llm.embed as it is. The bias stays f32.
// CHECK-LABEL: func.func @tied
func.func @tied(%ids: tensor<?xi32>, %rows: tensor<?xi32>) -> (tensor<?x64xf32>, tensor<?x128xf32>) {
  // INT4: %[[T:.*]] = llm.param @table source(<bf16>) recipe [#lowbit.convert<<int8, group = 32, scale = f16, zero = none>>] : !lowbit.packed<64x128, <int8, group = 32, scale = f16, zero = none>>
  // BF16: %[[T:.*]] = llm.param @table source(<bf16>) : !lowbit.packed<64x128, <bf16>>
  // HEAD: %[[T:.*]] = llm.param @table {{.*}} : !lowbit.packed<64x128, <int4, group = 128,
  // CODES: %[[T:.*]] = llm.param @table {{.*}} : !lowbit.packed<64x128, <nf4, group = 64, scale = f16, zero = none>>
  // PLAN: %[[T:.*]] = llm.param @table source(<bf16>) recipe [#lowbit.convert<<f16>>] : !lowbit.packed<64x128, <f16>>
  // CHECK-NOT: llm.param @table
  %table = llm.param @table source(<bf16>) : tensor<64x128xf32>
  // INT4: llm.param @q source(<f32>) recipe [#lowbit.unpermute_rows<heads = 8>, #lowbit.convert<<int4, group = 32,
  // BF16: llm.param @q source(<f32>) recipe [#lowbit.unpermute_rows<heads = 8>, #lowbit.convert<<bf16>>] : !lowbit.packed<128x128, <bf16>>
  // HEAD: llm.param @q {{.*}} : !lowbit.packed<128x128, <int8, group = 64,
  // CODES: llm.param @q {{.*}} : !lowbit.packed<128x128, <int4, group = 32, scale = f16, zero = int>>
  // PLAN: llm.param @q {{.*}} : !lowbit.packed<128x128, <int4, group = 64,
  %q = llm.param @q source(<f32>) recipe [#lowbit.unpermute_rows<heads = 8>] : tensor<128x128xf32>
  // PLAN: llm.param @k {{.*}} : !lowbit.packed<128x128, <int8, group = 0,
  %k = llm.param @k source(<f32>) : tensor<128x128xf32>
  // CHECK: %[[B:.*]] = llm.param @b source(<bf16>) : tensor<128xf32>
  %b = llm.param @b source(<bf16>) : tensor<128xf32>
  // CHECK: %[[X:.*]] = llm.embed %{{.*}}, %[[T]]
  %x = llm.embed %ids, %table : tensor<?xi32>, tensor<64x128xf32> -> tensor<?x128xf32>
  // CHECK: lowbit.dequantize
  // INT4: llm.linear %[[X]], %{{.*}} bias(%[[B]] : tensor<128xf32>) {activations = #lowbit.activations<int8>}
  // BF16: llm.linear %[[X]], %{{.*}} {activations = #lowbit.activations<f32>}
  // HEAD: llm.linear %[[X]], %{{.*}} {activations = #lowbit.activations<f32>}
  // PLAN: llm.linear %[[X]], %{{.*}} {activations = #lowbit.activations<int8>}
  %y = llm.linear %x, %q bias(%b : tensor<128xf32>) : tensor<?x128xf32>, tensor<128x128xf32> -> tensor<?x128xf32>
  // PLAN: llm.linear %{{.*}} {activations = #lowbit.activations<f32>}
  %z = llm.linear %y, %k : tensor<?x128xf32>, tensor<128x128xf32> -> tensor<?x128xf32>
  // CHECK: %[[D:.*]] = lowbit.dequantize %[[T]]
  // INT4: llm.logits %{{.*}}, %[[D]] {activations = #lowbit.activations<int8>}
  // BF16: llm.logits %{{.*}}, %[[D]] {activations = #lowbit.activations<f32>}
  %l = llm.logits %y, %rows, %table : tensor<?x128xf32>, tensor<?xi32>, tensor<64x128xf32> -> tensor<?x64xf32>
  return %l, %z : tensor<?x64xf32>, tensor<?x128xf32>
}
