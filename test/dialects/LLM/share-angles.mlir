// RUN: nibble-opt %s --llm-share-angles | FileCheck %s

// Four ropes of two tables: two tables of angles, at the start.
// CHECK-LABEL: func.func @layers(
// CHECK-SAME: %[[X:[^:]*]]: tensor<?x8xf32>, %[[P:[^:]*]]: tensor<?xi32>)
// CHECK-DAG: %[[A:.*]] = llm.angles %[[P]] {inverse_frequencies = array<f32: 1.000000e+00, 1.000000e-01>} : tensor<?xi32> -> tensor<?x4xf32>
// CHECK-DAG: %[[B:.*]] = llm.angles %[[P]] {attention_factor = 1.250000e+00 : f32, inverse_frequencies = array<f32: 1.000000e+00, 1.000000e-01>}
// CHECK-NOT: llm.angles
// CHECK: %[[Y:.*]] = llm.rotate %[[X]], %[[A]] {head_dim = 4 : i64} : tensor<?x8xf32>, tensor<?x4xf32>
// CHECK: %[[Z:.*]] = llm.rotate %[[Y]], %[[B]] {head_dim = 4 : i64}
// CHECK: %[[V:.*]] = llm.rotate %[[Z]], %[[A]] {head_dim = 8 : i64}
// CHECK: %[[W:.*]] = llm.rotate %[[V]], %[[B]] {head_dim = 4 : i64}
// CHECK-NOT: llm.rope
// CHECK: return %[[W]]
func.func @layers(%x: tensor<?x8xf32>, %p: tensor<?xi32>) -> tensor<?x8xf32> {
  %y = llm.rope %x, %p {head_dim = 4 : i64, inverse_frequencies = array<f32: 1.0, 0.1>} : tensor<?x8xf32>, tensor<?xi32>
  %z = llm.rope %y, %p {head_dim = 4 : i64, inverse_frequencies = array<f32: 1.0, 0.1>, attention_factor = 1.25 : f32}
      : tensor<?x8xf32>, tensor<?xi32>
  %v = llm.rope %z, %p {head_dim = 8 : i64, inverse_frequencies = array<f32: 1.0, 0.1>} : tensor<?x8xf32>, tensor<?xi32>
  %w = llm.rope %v, %p {head_dim = 4 : i64, inverse_frequencies = array<f32: 1.0, 0.1>, attention_factor = 1.25 : f32}
      : tensor<?x8xf32>, tensor<?xi32>
  return %w : tensor<?x8xf32>
}
