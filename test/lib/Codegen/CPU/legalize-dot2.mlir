// RUN: nibble-opt %s --nibble-codegen-cpu=target=avx512-bf16 | mlir-translate --mlir-to-llvmir | llc -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v4 -mattr=+avx512bf16 | FileCheck %s

// CHECK-LABEL: wide:
// CHECK: vdpbf16ps %zmm{{.*}}, %zmm{{.*}}, %zmm
func.func @wide(%acc: vector<16xf32>, %a: vector<32xbf16>, %b: vector<32xbf16>) -> vector<16xf32> {
  %0 = lowbit.dot2 %acc, %a, %b : vector<16xf32>, vector<32xbf16>
  return %0 : vector<16xf32>
}

// CHECK-LABEL: half:
// CHECK: vdpbf16ps %ymm{{.*}}, %ymm{{.*}}, %ymm
func.func @half(%acc: vector<8xf32>, %a: vector<16xbf16>, %b: vector<16xbf16>) -> vector<8xf32> {
  %0 = lowbit.dot2 %acc, %a, %b : vector<8xf32>, vector<16xbf16>
  return %0 : vector<8xf32>
}
