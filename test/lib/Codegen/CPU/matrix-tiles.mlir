// Linears on AMX: whole records of 8 tokens go through matrix tiles, two at a time and the last alone, what is left
// through dot products. Weights and activations of bf16 go through matrix tiles whatever there is of tokens.
//
// RUN: nibble-opt %s --rt-to-vector="target=amx tune-for=sapphirerapids" | FileCheck %s
// RUN: nibble-opt %s --nibble-codegen-cpu="target=amx tune-for=sapphirerapids" | mlir-translate --mlir-to-llvmir | llc -O3 -o %t.s
// RUN: FileCheck %s --input-file=%t.s --check-prefix=ASM
// RUN: FileCheck %s --input-file=%t.s --check-prefix=STACK

// LLVM's comment on what it keeps on the stack.
// STACK-LABEL: symmetric:
// STACK-NOT: 64-byte {{(Folded )?(Spill|Reload)}}
// STACK-LABEL: symmetric_items:

!int4 = !lowbit.packed<64x512, <int4, group = 32, scale = f16, zero = none>, panel>
!rows = !lowbit.rows<tokens x 512, int8, bias = [8]>

// Scratch: the sums of a group, 2 x 8 rows of 64 bytes, and a panel of 16 groups, 512 bytes of codes and 64 of scales each.
// CHECK-LABEL: func.func @symmetric(
// CHECK-SAME: nibble.scratch = 10240 : i64
// CHECK: %[[EIGHT:.*]] = arith.constant dense<8> : vector<64xi8>
// CHECK: arith.subi %{{.*}}, %[[EIGHT]] : vector<64xi8>
// CHECK: lowbit.dot_tile %{{.*}}, (%{{.*}}, %{{.*}}) into %{{.*}} {columns = 32 : i32, rows = 8 : i32}
// CHECK: lowbit.dot_tile %{{.*}}, (%{{.*}}) into %{{.*}} {columns = 32 : i32, rows = 8 : i32}
// Seven loops for 1 to 7 tokens: two groups of eight products each.
// CHECK-COUNT-448: lowbit.dot4
// CHECK-NOT: lowbit.dot4
// CHECK-LABEL: func.func @symmetric_items

// The unit is configured once, ahead of all loops. The loop over groups has no more than it must: one tile of codes,
// two of activations, and of each of 16 tokens three vector instructions on registers that nothing takes away.
// ASM-LABEL: symmetric:
// ASM: ldtilecfg
// ASM-NOT: ldtilecfg
// ASM: {{^}}.LBB{{[0-9_]+}}:
// ASM: tileloadd {{.*}}, %[[B:tmm[0-7]]]
// ASM-NEXT: tileloadd {{.*}}, %[[A0:tmm[0-7]]]
// ASM-NEXT: tilezero %[[C0:tmm[0-7]]]
// ASM-NEXT: tdpbssd %[[B]], %[[A0]], %[[C0]]
// ASM-NEXT: tilestored %[[C0]]
// ASM: tdpbssd %[[B]],
// ASM-NEXT: tilestored
// ASM-NOT: {{^}}.LBB{{[0-9_]+}}:
// ASM-COUNT-16: vfmadd231ps
// ASM-NOT: {{mov|vfmadd}}
// ASM: j{{[a-z]+}} .LBB
// ASM: tilerelease
rt.kernel @symmetric(%x: !rows, %w: !int4) -> tensor<?x64xf32> attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !rows, (!int4) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : tensor<?x64xf32>
}

// Codes with zero points stay unsigned; two planes of activations are the 16 rows of one tile.
// CHECK-LABEL: func.func @planes(
// CHECK: lowbit.dot_tile %{{.*}}, (%{{.*}}, %{{.*}}) into %{{.*}} {columns = 32 : i32, rows = 16 : i32, unsigned_codes}
// ASM-LABEL: planes:
// ASM: tdpbsud
!int8 = !lowbit.packed<64x512, <int8, group = 32, scale = f16, zero = int>, panel>
!wide = !lowbit.rows<tokens x 512, int16, bias = [0], sums>
rt.kernel @planes(%x: !wide, %w: !int8) -> tensor<?x64xf32> attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !wide, (!int8) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : tensor<?x64xf32>
}

// A codebook's entries are looked up as they are.
// CHECK-LABEL: func.func @codebook(
// CHECK: lowbit.lookup %{{.*}} in [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] : vector<64xi8>
// CHECK: lowbit.dot_tile %{{.*}} {columns = 32 : i32, rows = 8 : i32}
!iq4 = !lowbit.packed<64x512, <iq4, group = 32, scale = f16, zero = none>, panel>
!codes = !lowbit.rows<tokens x 512, int8, bias = [128]>
rt.kernel @codebook(%x: !codes, %w: !iq4) -> tensor<?x64xf32> attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !codes, (!iq4) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : tensor<?x64xf32>
}

// Scratch: the sums of four tiles of 16 x 16. Steps of 64, 32 and 16 tokens, then what is left: (T - 1) mod 16 + 1.
// CHECK-LABEL: func.func @pairs(
// CHECK-SAME: nibble.scratch = 4096 : i64
// CHECK: %[[LAST:.*]] = arith.andi %{{.*}}, %{{.*}} : i16
// CHECK: %[[ROWS:.*]] = arith.addi %[[LAST]], %{{.*}} : i16
// CHECK: %[[FULL:.*]] = arith.constant 16 : i16
// CHECK: lowbit.dot_tile_bf16 %{{.*}}, (%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) of %[[FULL]] into %{{.*}} {columns = 512 : i64, far = 9216 : i64, near = 2304 : i64, stride = 1024 : i64}
// CHECK: lowbit.dot_tile_bf16 %{{.*}}, (%{{.*}}, %{{.*}}) of %[[FULL]]
// CHECK: lowbit.dot_tile_bf16 %{{.*}}, (%{{.*}}) of %[[FULL]]
// CHECK: scf.if
// CHECK: lowbit.dot_tile_bf16 %{{.*}}, (%{{.*}}) of %[[ROWS]]
// CHECK-NOT: lowbit.dot
// CHECK-NOT: vector.fma
// CHECK-LABEL: func.func @pairs_items

// The unit is configured once, ahead of all loops, though tiles have two shapes. Sums stay in tiles: four of them share
// one of weights, and none goes to the stack.
// ASM-LABEL: pairs:
// ASM-NOT: {{^}}.LBB
// ASM: andl $15,
// ASM-NOT: {{^}}.LBB
// ASM: ldtilecfg
// ASM-NOT: ldtilecfg
// ASM-COUNT-4: tilezero
// ASM: {{^}}.LBB{{[0-9_]+}}:
// ASM: tileloadd {{.*}}, %[[W:tmm[0-7]]]
// ASM-COUNT-4: tdpbf16ps %[[W]],
// ASM-NOT: {{tilestored|tdpbf16ps}}
// ASM: j{{[a-z]+}} .LBB
// ASM-COUNT-4: tilestored
// ASM-NOT: {{ldtilecfg|(Spill|Reload).*tile|1024-byte}}
// ASM: tilerelease
// ASM: retq
!bf16 = !lowbit.packed<64x512, <bf16>, panel>
!halves = !lowbit.rows<tokens x 512, bf16>
rt.kernel @pairs(%x: !halves, %w: !bf16) -> tensor<?x64xf32> attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !halves, (!bf16) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : tensor<?x64xf32>
}

// Other float weights know no tiles: to round f16 to bf16 would cost precision.
// CHECK-LABEL: func.func @floats(
// CHECK-SAME: nibble.scratch = 0 : i64
// CHECK-NOT: lowbit.dot_tile
// ASM-LABEL: floats:
// ASM-NOT: ldtilecfg
// ASM-LABEL: probe_read:
rt.kernel @floats(%x: !lowbit.rows<tokens x 512, f32>, %w: !lowbit.packed<64x512, <bf16>, panel>) -> tensor<?x64xf32>
    attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !lowbit.rows<tokens x 512, f32>, (!lowbit.packed<64x512, <bf16>, panel>) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : tensor<?x64xf32>
}
// CHECK-LABEL: func.func @halves(
// CHECK-NOT: lowbit.dot_tile
rt.kernel @halves(%x: !halves, %w: !lowbit.packed<64x512, <f16>, panel>) -> tensor<?x64xf32>
    attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !halves, (!lowbit.packed<64x512, <f16>, panel>) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : tensor<?x64xf32>
}
