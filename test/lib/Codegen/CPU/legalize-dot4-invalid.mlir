// RUN: not nibble-opt %s --split-input-file --lowbit-legalize-dot4=target=x86-64-v3 2>&1 | FileCheck %s --check-prefix=AVX2
// RUN: not nibble-opt %s --split-input-file --lowbit-legalize-dot4=target=avx512-vnni 2>&1 | FileCheck %s --check-prefix=VNNI
// RUN: not nibble-opt %s --split-input-file --lowbit-legalize-dot4=target=pentium 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not nibble-opt %s --split-input-file "--rt-to-vector=target=avx512-vnni tune-for=pentium" 2>&1 | FileCheck %s --check-prefix=TUNE

// TARGET: error: unknown CPU target 'pentium'; expected native or one of {{.*}}x86-64-v3, avx-vnni, avx512, avx512-vnni, avx512-bf16
// TUNE: error: unknown kind of CPU 'pentium' to tune avx512-vnni for; expected one of generic, znver4, cascadelake, sapphirerapids
// VNNI-NOT: error
// AVX2: error: 'lowbit.dot4' op has a vector of 512 bits; x86-64-v3 multiplies 128 to 256
func.func @wide(%acc: vector<16xi32>, %a: vector<64xi8>) -> vector<16xi32> {
  %0 = lowbit.dot4 %acc, %a, %a : vector<16xi32>, vector<64xi8>
  return %0 : vector<16xi32>
}

// -----

// AVX2: error: 'lowbit.dot4' op has a vector of 64 bits; x86-64-v3 multiplies 128 to 256
// VNNI: error: 'lowbit.dot4' op has a vector of 64 bits; avx512-vnni multiplies 128 to 512
func.func @narrow(%acc: vector<2xi32>, %a: vector<8xi8>) -> vector<2xi32> {
  %0 = lowbit.dot4 %acc, %a, %a {unsigned_max = 15 : i32} : vector<2xi32>, vector<8xi8>
  return %0 : vector<2xi32>
}
