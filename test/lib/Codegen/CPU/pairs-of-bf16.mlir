// Weights and activations of bf16: products of pairs where the CPU does more of them than multiply-adds, else
// multiply-adds of f32. Both columns of a pair come from one load.
//
// RUN: nibble-opt %s --nibble-codegen-cpu="target=avx512-bf16 tune-for=znver4" | mlir-translate --mlir-to-llvmir | llc -O3 -o - | FileCheck %s --check-prefix=PAIRS
// RUN: nibble-opt %s --nibble-codegen-cpu="target=avx512-bf16 tune-for=sapphirerapids" | mlir-translate --mlir-to-llvmir | llc -O3 -o - | FileCheck %s --check-prefix=SINGLE
// RUN: nibble-opt %s --nibble-codegen-cpu="target=avx512-vnni tune-for=znver4" | mlir-translate --mlir-to-llvmir | llc -O3 -o - | FileCheck %s --check-prefix=SINGLE

// PAIRS-LABEL: linear:
// PAIRS-COUNT-4: vdpbf16ps {{-?[0-9]*}}(%r{{[a-z0-9]+}}{{.*}}){1to16}, %zmm{{[0-9]+}}, %zmm
// PAIRS-NOT: {{vfmadd.*zmm|64-byte (Folded )?(Spill|Reload)}}
// PAIRS: .size linear,

// SINGLE-LABEL: linear:
// SINGLE: vpand
// SINGLE-NOT: vdpbf16ps
// SINGLE: vfmadd{{.*}}%zmm
// SINGLE-NOT: vdpbf16ps
// SINGLE: .size linear,

!weight = !lowbit.packed<64x512, <bf16>, panel>
!rows = !lowbit.rows<tokens x 512, bf16>
rt.kernel @linear(%x: !rows, %w: !weight) -> tensor<?x64xf32> attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !rows, (!weight) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : tensor<?x64xf32>
}
