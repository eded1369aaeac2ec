// Where an activation that is broadcast from memory costs more than one in a register (Cascade Lake), two panels share
// it. The fifth of five panels is alone.
//
// RUN: nibble-opt %s --nibble-codegen-cpu="target=avx512-vnni tune-for=cascadelake" | mlir-translate --mlir-to-llvmir | llc -O3 -o %t.s
// RUN: tr '\n\t' '  ' < %t.s | grep -qE 'vpbroadcastd -?[0-9]*\(%r[a-z0-9]+\), %(zmm[0-9]+) +vpdpbusd %\1, %zmm[0-9]+, %zmm[0-9]+ +vpdpbusd %\1,'
// RUN: grep -c 'vpdpbusd.*(%r' %t.s | FileCheck %s --check-prefix=MEMORY
// RUN: grep -c 'vpdpbusd.%zmm' %t.s | FileCheck %s --check-prefix=REGISTER

// Two groups in the body of a loop, eight dot products a token in each. One panel: 1 + 2 + .. + 8 tokens, and one group for
// 8 tokens of an unpacked panel; of two panels one after the other, 1 and 2 tokens.
// MEMORY: {{^}}688{{$}}
// Two panels: 3 + 4 + .. + 8 tokens, and one group for 8 tokens of unpacked panels; 16 of the probe.
// REGISTER: {{^}}1200{{$}}

!weight = !lowbit.packed<80x512, <int4, group = 32, scale = f16, zero = none>, panel>
!rows = !lowbit.rows<tokens x 512, int8, bias = [8]>
rt.kernel @linear(%x: !rows, %w: !weight) -> tensor<?x80xf32> attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !rows, (!weight) -> tensor<?x80xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : tensor<?x80xf32>
}
