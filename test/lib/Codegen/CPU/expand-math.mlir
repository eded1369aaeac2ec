// RUN: nibble-opt %s --nibble-expand-math | FileCheck %s

// CHECK-LABEL: func.func @functions
// CHECK-NOT: math.{{exp|tanh|sin|cos}}
// The range reduction of sin and cos is in f64.
// CHECK: arith.extf %{{.*}} : vector<16xf32> to vector<16xf64>
// CHECK: return
func.func @functions(%x: vector<16xf32>, %s: f32) -> (vector<16xf32>, f32) {
  %0 = math.exp %x : vector<16xf32>
  %1 = math.tanh %0 : vector<16xf32>
  %2 = math.sin %1 : vector<16xf32>
  %3 = math.cos %2 : vector<16xf32>
  %4 = math.exp %s : f32
  return %3, %4 : vector<16xf32>, f32
}

// What a processor has an instruction for stays.
// CHECK-LABEL: func.func @kept
// CHECK: math.sqrt
// CHECK: math.exp %{{.*}} : f64
func.func @kept(%x: f32, %y: f64) -> (f32, f64) {
  %0 = math.sqrt %x : f32
  %1 = math.exp %y : f64
  return %0, %1 : f32, f64
}

// An exponent by a shift of what 1.5 * 2^23 rounded: nothing is converted.
// CHECK-LABEL: func.func @quick
// CHECK-NOT: math.exp
// CHECK: %[[T:.*]] = math.fma %{{.*}}, %{{.*}}, %cst{{.*}} : vector<16xf32>
// CHECK: arith.bitcast %[[T]] : vector<16xf32> to vector<16xi32>
// CHECK-NOT: arith.fptosi
// CHECK: return
func.func @quick(%x: vector<16xf32>) -> vector<16xf32> {
  %0 = math.exp %x fastmath<afn> : vector<16xf32>
  return %0 : vector<16xf32>
}
