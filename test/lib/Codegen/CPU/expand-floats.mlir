// RUN: nibble-opt %s --nibble-expand-floats=target=x86-64 | FileCheck %s --check-prefixes=CHECK,BASE
// RUN: nibble-opt %s --nibble-expand-floats=target=x86-64-v3 | FileCheck %s --check-prefixes=CHECK,AVX2
// RUN: nibble-opt %s --nibble-expand-floats=target=neon | FileCheck %s --check-prefixes=CHECK,AVX2
// RUN: nibble-opt %s --nibble-codegen-cpu=target=x86-64 | mlir-translate --mlir-to-llvmir | llc -mtriple=x86_64-unknown-linux-gnu -filetype=obj -o %t.o
// RUN: llvm-nm -u %t.o | count 0
// RUN: mlir-opt %s --convert-vector-to-llvm --convert-math-to-llvm --convert-arith-to-llvm --convert-func-to-llvm --reconcile-unrealized-casts | mlir-translate --mlir-to-llvmir | llc -mtriple=x86_64-unknown-linux-gnu -filetype=obj -o %t.calls.o
// RUN: llvm-nm -u %t.calls.o | FileCheck %s --check-prefix=CALLS

// What would be called without the pass.
// CALLS-DAG: U __extendhfsf2
// CALLS-DAG: U __truncsfhf2
// CALLS-DAG: U __truncsfbf2
// CALLS-DAG: U fmaf
// CALLS-DAG: U roundevenf

// CHECK-LABEL: func.func @halves
// BASE-NOT: arith.{{extf|truncf}}
// AVX2: arith.extf
// AVX2: arith.truncf
// CHECK: return
func.func @halves(%x: vector<8xf16>, %y: vector<8xf32>) -> (vector<8xf32>, vector<8xf16>) {
  %0 = arith.extf %x : vector<8xf16> to vector<8xf32>
  %1 = arith.truncf %y : vector<8xf32> to vector<8xf16>
  return %0, %1 : vector<8xf32>, vector<8xf16>
}

// CHECK-LABEL: func.func @bfloats
// CHECK-NOT: arith.{{extf|truncf}}
// CHECK: return
func.func @bfloats(%x: vector<8xbf16>, %y: f32) -> (vector<8xf32>, bf16) {
  %0 = arith.extf %x : vector<8xbf16> to vector<8xf32>
  %1 = arith.truncf %y : f32 to bf16
  return %0, %1 : vector<8xf32>, bf16
}

// CHECK-LABEL: func.func @arithmetic
// BASE-NOT: fma
// BASE-NOT: roundeven
// AVX2: vector.fma
// AVX2: math.fma
// AVX2: math.roundeven
// CHECK: return
func.func @arithmetic(%x: vector<4xf32>, %y: f32, %z: vector<2xf64>) -> (vector<4xf32>, f32, vector<2xf64>) {
  %0 = vector.fma %x, %x, %x : vector<4xf32>
  %1 = math.fma %y, %y, %y : f32
  %2 = math.roundeven %1 : f32
  %3 = math.roundeven %z : vector<2xf64>
  return %0, %2, %3 : vector<4xf32>, f32, vector<2xf64>
}
