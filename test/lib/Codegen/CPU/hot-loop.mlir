// The inner loops of a quantized linear, at every number of tokens from 1 to 8: dot products that read the activation
// from memory as they multiply, sums that are floats without a conversion, and no vector that has to wait on the stack.
//
// RUN: nibble-opt %s --nibble-codegen-cpu="target=avx512-vnni tune-for=sapphirerapids" | mlir-translate --mlir-to-llvmir | llc -O3 -o %t.s
// RUN: FileCheck %s --input-file=%t.s
// RUN: FileCheck %s --input-file=%t.s --check-prefix=STACK
// RUN: FileCheck %s --input-file=%t.s --check-prefix=CONVERSION
// RUN: grep -c 'vpdpbusd.*(%r' %t.s | FileCheck %s --check-prefix=ALL
// RUN: grep -c prefetcht %t.s | FileCheck %s --check-prefix=LINES
// RUN: awk '/prefetcht/ { if (++together > 2) exit 1; next } /^\t[a-z]/ { together = 0 }' %t.s

// Two groups in the body of a loop, eight dot products a token in each; 1 + 2 + .. + 8 tokens, and one group for 8 tokens
// of an unpacked panel.
// CHECK-COUNT-640: vpdpbusd {{-?[0-9]*}}(%r{{[a-z0-9]+}}){1to16}, %zmm{{[0-9]+}}, %zmm
// ALL: {{^}}640{{$}}

// CONVERSION-NOT: vcvtdq2ps %zmm

// LLVM's comment on what it keeps on the stack.
// STACK-NOT: 64-byte {{(Folded )?(Spill|Reload)}}

// Nine lines a pair of groups, near and far, in eight loops and where the panel is unpacked; never many at once.
// LINES: {{^}}162{{$}}

!weight = !lowbit.packed<64x512, <int4, group = 32, scale = f16, zero = none>, panel>
!rows = !lowbit.rows<tokens x 512, int8, bias = [8]>
rt.kernel @linear(%x: !rows, %w: !weight) -> tensor<?x64xf32> attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !rows, (!weight) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : tensor<?x64xf32>
}
