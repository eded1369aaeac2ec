// RUN: nibble-opt %s --rt-to-vector=target=avx512-vnni | FileCheck %s
// RUN: nibble-opt %s --rt-to-vector=target=x86-64-v3 | FileCheck %s --check-prefix=AVX2

!rows = !lowbit.rows<tokens x 128, int8, bias = [8]>
!weight = !lowbit.packed<384x128, <int4, group = 32, scale = f16, zero = none>, panel>

// The kernel ABI: (batch, operands, begin, end, scratch), and the number of items. For many tokens the codes of a panel
// are unpacked to scratch: four groups of 512 bytes and a line of scales.
// CHECK-LABEL: func.func @linear(
// CHECK-SAME: %{{.*}}: !llvm.ptr {llvm.noalias}, %{{.*}}: !llvm.ptr {llvm.noalias}, %{{.*}}: i32, %{{.*}}: i32, %{{.*}}: !llvm.ptr {llvm.noalias})
// CHECK-SAME: nibble.family = "linear", nibble.scratch = 2304 : i64
// CHECK-SAME: "no-builtins"
// CHECK: lowbit.dot4 %{{.*}} {unsigned_max = 15 : i32} : vector<16xi32>, vector<64xi8>
// CHECK-LABEL: func.func @linear_items(%{{.*}}: !llvm.ptr) -> i32
// AVX2-LABEL: func.func @linear(
// AVX2: lowbit.dot4 %{{.*}} {unsigned_max = 15 : i32} : vector<8xi32>, vector<32xi8>
rt.kernel @linear(%x: !rows, %w: !weight) -> tensor<?x384xf32> attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !rows, (!weight) -> tensor<?x384xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : tensor<?x384xf32>
}

// A codebook's entries plus 128 are looked up, and multiplied as bytes, or stored for tiles that do so.
// CHECK-LABEL: func.func @codebook(
// CHECK: %[[S:.*]] = lowbit.lookup %{{.*}} in [1, 24, 45, 63, 79, 93, 106, 118, -127, -115, -103, -90, -75, -59, -39, -15] : vector<64xi8>
// CHECK: llvm.store %[[S]], %
// CHECK: lowbit.dot4 %{{.*}} {unsigned_max = 255 : i32}
// CHECK: } else {
// CHECK: %[[E:.*]] = lowbit.lookup %{{.*}} in [1, 24, 45,
// CHECK: lowbit.dot4 %{{.*}}, %[[E]], %{{.*}} {unsigned_max = 255 : i32}
rt.kernel @codebook(%x: !lowbit.rows<tokens x 128, int8, bias = [128]>,
                    %w: !lowbit.packed<384x128, <iq4, group = 32, scale = f16, zero = none>, panel>)
    -> tensor<?x384xf32> attributes {family = #rt.family<linear>} {
  %y = lowbit.linear %x, (%w) : !lowbit.rows<tokens x 128, int8, bias = [128]>,
      (!lowbit.packed<384x128, <iq4, group = 32, scale = f16, zero = none>, panel>) -> tensor<?x384xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  rt.yield %y : tensor<?x384xf32>
}

// The factors of the norms of eight rows.
// CHECK-LABEL: func.func @rows(
// CHECK-SAME: nibble.scratch = 32 : i64
rt.kernel @rows(%x: tensor<?x128xf32>) -> !rows attributes {family = #rt.family<rows>} {
  %r = lowbit.quantize_rows %x : tensor<?x128xf32> -> !rows
  rt.yield %r : !rows
}

// One function for each type of cache.
// CHECK-LABEL: func.func @attention.f32(
// CHECK-SAME: nibble.cache = "f32"
// CHECK-LABEL: func.func @attention.f16(
// CHECK-SAME: nibble.cache = "f16"
// CHECK-LABEL: func.func @attention.bf16(
// CHECK-SAME: nibble.cache = "bf16"
// CHECK-LABEL: func.func @attention.int8(
// CHECK-SAME: nibble.cache = "int8"
rt.kernel @attention(%q: tensor<?x32xf32>, %k: tensor<?x32xf32>, %c: !llm.cache<layers = 1, kv_heads = 2, head_dim = 16>)
    -> (tensor<?x32xf32>, tensor<2048x36xf32>) attributes {family = #rt.family<attention>} {
  %o, %p = rt.attend %q, %k, %k, %c {layer = 0 : i64, heads = 2 : i64, kv_heads = 2 : i64, head_dim = 16 : i64, scale = 0.25 : f32}
      : (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>, !llm.cache<layers = 1, kv_heads = 2, head_dim = 16>)
      -> (tensor<?x32xf32>, tensor<2048x36xf32>)
  rt.yield %o, %p : tensor<?x32xf32>, tensor<2048x36xf32>
}

// The program goes: it is the runtime's table by now.
// CHECK-NOT: rt.program
rt.program @step {
}
