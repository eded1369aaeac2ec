// RUN: nibble-opt %s | nibble-opt | FileCheck %s
// RUN: nibble-opt %s --mlir-print-op-generic | nibble-opt | FileCheck %s
// RUN: nibble-opt %s --emit-bytecode | nibble-opt | FileCheck %s

// CHECK-LABEL: rt.kernel @norm
// CHECK-SAME: attributes {family = #rt.family<rows>}
rt.kernel @norm(%x: tensor<?x128xf32>, %g: tensor<128xf32>) -> !lowbit.rows<tokens x 128, f32>
    attributes {family = #rt.family<rows>} {
  %r = lowbit.quantize_rows %x norm(%g : tensor<128xf32>) {eps = 1.0e-6 : f32}
      : tensor<?x128xf32> -> !lowbit.rows<tokens x 128, f32>
  rt.yield %r : !lowbit.rows<tokens x 128, f32>
}

// CHECK-LABEL: rt.program @step attributes {arena = array<i64: 1024, 0, 64>, private_bytes = 8192 : i64}
rt.program @step attributes {arena = array<i64: 1024, 0, 64>, private_bytes = 8192 : i64} {
  // CHECK: rt.buffer "hidden" arena size [512, 0, 0] at [0, 0, 0] : tensor<?x128xf32>
  %x = rt.buffer "hidden" arena size [512, 0, 0] at [0, 0, 0] : tensor<?x128xf32>
  // CHECK: rt.buffer "rows" private size [512, 0, 0] at [512, 0, 0] private_at 0
  %y = rt.buffer "rows" private size [512, 0, 0] at [512, 0, 0] private_at 0 : !lowbit.rows<tokens x 128, f32>
  %g = rt.weight @gain source(<f32>) : tensor<128xf32>
  // CHECK: rt.cache 1
  %c = rt.cache 1 : !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>
  // CHECK: rt.dispatch @norm(%{{.*}}, %{{.*}}) -> (%{{.*}}) barrier shared :
  rt.dispatch @norm(%x, %g) -> (%y) barrier shared
      : (tensor<?x128xf32>, tensor<128xf32>) -> !lowbit.rows<tokens x 128, f32>
}
