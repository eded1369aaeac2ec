// RUN: nibble-opt %s | nibble-opt | FileCheck %s
// RUN: nibble-opt %s --mlir-print-op-generic | nibble-opt | FileCheck %s
// RUN: nibble-opt %s --emit-bytecode | nibble-opt | FileCheck %s

// CHECK-LABEL: func.func @linear
func.func @linear(%x: tensor<?x128xf32>, %res: tensor<?x64xf32>, %g: tensor<128xf32>, %b: tensor<64xf32>,
                  %w: !lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = none>, panel>,
                  %v: !lowbit.packed<64x128, <int8, group = 0, scale = f16, zero = min>, panel>) -> tensor<?x64xf32> {
  // CHECK: lowbit.quantize_rows %{{.*}} norm(%{{.*}} : tensor<128xf32>) {eps = 9.99999997E-7 : f32} :
  // CHECK-SAME: tensor<?x128xf32> -> <tokens x 128, int8, bias = [0, 8], sums>
  %r = lowbit.quantize_rows %x norm(%g : tensor<128xf32>) {eps = 1.0e-6 : f32}
      : tensor<?x128xf32> -> !lowbit.rows<tokens x 128, int8, bias = [0, 8], sums>
  // CHECK: lowbit.linear
  %y = lowbit.linear %r, (%w, %v) extra(%res, %b : tensor<?x64xf32>, tensor<64xf32>)
      : !lowbit.rows<tokens x 128, int8, bias = [0, 8], sums>,
        (!lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = none>, panel>,
         !lowbit.packed<64x128, <int8, group = 0, scale = f16, zero = min>, panel>) -> tensor<?x64xf32> {
  ^bb0(%a0: f32, %a1: f32, %e: f32, %f: f32):
    %s = arith.mulf %a0, %a1 : f32
    %t = arith.addf %s, %e : f32
    %u = arith.addf %t, %f : f32
    lowbit.yield %u : f32
  }
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @dot
func.func @dot(%acc: vector<16xi32>, %a: vector<64xi8>, %b: vector<64xi8>) -> vector<16xi32> {
  // CHECK: lowbit.dot4 %{{.*}}, %{{.*}}, %{{.*}} {unsigned_max = 15 : i32} : vector<16xi32>, vector<64xi8>
  %r = lowbit.dot4 %acc, %a, %b {unsigned_max = 15 : i32} : vector<16xi32>, vector<64xi8>
  return %r : vector<16xi32>
}

// CHECK-LABEL: func.func @dot_bf16
func.func @dot_bf16(%acc: vector<16xf32>, %a: vector<32xbf16>, %b: vector<32xbf16>) -> vector<16xf32> {
  // CHECK: lowbit.dot2 %{{.*}}, %{{.*}}, %{{.*}} : vector<16xf32>, vector<32xbf16>
  %r = lowbit.dot2 %acc, %a, %b : vector<16xf32>, vector<32xbf16>
  return %r : vector<16xf32>
}

// CHECK-LABEL: func.func @dot_tile
func.func @dot_tile(%codes: !llvm.ptr, %x: !llvm.ptr, %y: !llvm.ptr, %sums: !llvm.ptr) {
  // CHECK: lowbit.dot_tile %{{.*}}, (%{{.*}}, %{{.*}}) into %{{.*}} {columns = 32 : i32, rows = 8 : i32, unsigned_codes}
  lowbit.dot_tile %codes, (%x, %y) into %sums {rows = 8 : i32, columns = 32 : i32, unsigned_codes}
  // CHECK: lowbit.dot_tile %{{.*}}, (%{{.*}}) into %{{.*}} {columns = 64 : i32, rows = 16 : i32}
  lowbit.dot_tile %codes, (%x) into %sums {rows = 16 : i32, columns = 64 : i32}
  return
}

// CHECK-LABEL: func.func @dot_tile_bf16
func.func @dot_tile_bf16(%weights: !llvm.ptr, %x: !llvm.ptr, %y: !llvm.ptr, %rows: i16, %sums: !llvm.ptr) {
  // CHECK: lowbit.dot_tile_bf16 %{{.*}}, (%{{.*}}, %{{.*}}) of %{{.*}} into %{{.*}} {columns = 64 : i64, far = 9216 : i64, near = 2304 : i64, stride = 128 : i64}
  lowbit.dot_tile_bf16 %weights, (%x, %y) of %rows into %sums {columns = 64 : i64, stride = 128 : i64, near = 2304 : i64, far = 9216 : i64}
  // CHECK: lowbit.dot_tile_bf16 %{{.*}}, (%{{.*}}) of %{{.*}} into %{{.*}} {columns = 32 : i64, stride = 0 : i64}
  lowbit.dot_tile_bf16 %weights, (%x) of %rows into %sums {columns = 32 : i64, stride = 0 : i64, near = 0 : i64}
  return
}

// CHECK-LABEL: func.func @table
func.func @table(%codes: vector<32xi8>) -> vector<32xi8> {
  // CHECK: lowbit.lookup %{{.*}} in [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] : vector<32xi8>
  %r = lowbit.lookup %codes in [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] : vector<32xi8>
  return %r : vector<32xi8>
}

// CHECK-LABEL: func.func @weights
// CHECK-SAME: !lowbit.packed<64x128, <int8, group = 64, scale = f16, zero = int>>
// CHECK-SAME: !lowbit.packed<64x128, <int4, group = 128, scale = f16, zero = min>>
// CHECK-SAME: !lowbit.packed<64x128, <f16>, panel>
func.func @weights(%w: !lowbit.packed<64x128, <int8, group = 64, scale = f16, zero = int>>,
                   %m: !lowbit.packed<64x128, <int4, group = 128, scale = f16, zero = min>>,
                   %h: !lowbit.packed<64x128, <f16>, panel>) -> !lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = none>> {
  // CHECK: %[[D:.*]] = lowbit.dequantize %{{.*}} : <64x128, <int8, group = 64, scale = f16, zero = int>> -> tensor<64x128xf32>
  %d = lowbit.dequantize %w : !lowbit.packed<64x128, <int8, group = 64, scale = f16, zero = int>> -> tensor<64x128xf32>
  // CHECK: lowbit.repack %{{.*}} : <64x128, <int4, group = 128, scale = f16, zero = min>> -> <64x128, <int4, group = 128, scale = f16, zero = min>, panel>
  %p = lowbit.repack %m : !lowbit.packed<64x128, <int4, group = 128, scale = f16, zero = min>>
      -> !lowbit.packed<64x128, <int4, group = 128, scale = f16, zero = min>, panel>
  // CHECK: lowbit.quantize %[[D]] : tensor<64x128xf32> -> <64x128, <int4, group = 32, scale = f16, zero = none>>
  %q = lowbit.quantize %d : tensor<64x128xf32> -> !lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = none>>
  return %q : !lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = none>>
}

// CHECK-LABEL: func.func @codebooks
// CHECK-SAME: !lowbit.packed<16x64, <fp4, group = 64, scale = f16, zero = none>>
// CHECK-SAME: !lowbit.packed<16x64, <e2m1, group = 32, scale = f16, zero = none>>
// CHECK-SAME: !lowbit.packed<16x64, <iq4, group = 128, scale = f16, zero = none>, panel>
func.func @codebooks(%w: tensor<16x64xf32>, %a: !lowbit.packed<16x64, <fp4, group = 64, scale = f16, zero = none>>,
                     %b: !lowbit.packed<16x64, <e2m1, group = 32, scale = f16, zero = none>>,
                     %c: !lowbit.packed<16x64, <iq4, group = 128, scale = f16, zero = none>, panel>) {
  // CHECK: lowbit.quantize %{{.*}} : tensor<16x64xf32> -> <16x64, <nf4, group = 64, scale = f16, zero = none>>
  %n = lowbit.quantize %w : tensor<16x64xf32> -> !lowbit.packed<16x64, <nf4, group = 64, scale = f16, zero = none>>
  // CHECK: lowbit.quantize %{{.*}} : tensor<16x64xf32> -> <16x64, <int8, group = 0, scale = f16, zero = int>>
  %z = lowbit.quantize %w : tensor<16x64xf32> -> !lowbit.packed<16x64, <int8, group = 0, scale = f16, zero = int>>
  return
}

// CHECK-LABEL: func.func @rows
// CHECK-SAME: -> (!lowbit.rows<logits x 128, f32>, !lowbit.rows<tokens x 128, int8, bias = [8, 128]>, tensor<?x128xf32>)
func.func @rows(%x: tensor<?x128xf32>, %selected: tensor<?xi32>)
    -> (!lowbit.rows<logits x 128, f32>, !lowbit.rows<tokens x 128, int8, bias = [8, 128]>, tensor<?x128xf32>) {
  // CHECK: lowbit.quantize_rows %{{.*}} select(%{{.*}} : tensor<?xi32>) : tensor<?x128xf32> -> <logits x 128, f32>
  %l = lowbit.quantize_rows %x select(%selected : tensor<?xi32>) : tensor<?x128xf32> -> !lowbit.rows<logits x 128, f32>
  // CHECK: lowbit.quantize_rows %{{.*}} residual(%{{.*}} : tensor<?x128xf32>) : tensor<?x128xf32>
  // CHECK-SAME: -> <tokens x 128, int8, bias = [8, 128]>, tensor<?x128xf32>
  %r, %h = lowbit.quantize_rows %x residual(%x : tensor<?x128xf32>)
      : tensor<?x128xf32> -> !lowbit.rows<tokens x 128, int8, bias = [8, 128]>, tensor<?x128xf32>
  return %l, %r, %h : !lowbit.rows<logits x 128, f32>, !lowbit.rows<tokens x 128, int8, bias = [8, 128]>, tensor<?x128xf32>
}

// CHECK-LABEL: func.func private @attributes
// CHECK-SAME: bf16 = #lowbit.format<bf16>, convert = #lowbit.convert<<f32>>
// CHECK-SAME: float = #lowbit.activations<f32>, int8 = #lowbit.activations<int8>
// CHECK-SAME: pack = #lowbit.pack<panel>, rows = #lowbit.pack<rows>, unpermute = #lowbit.unpermute_rows<heads = 8>
func.func private @attributes() attributes {
  bf16 = #lowbit.format<bf16>, convert = #lowbit.convert<<f32>>, float = #lowbit.activations<f32>,
  int8 = #lowbit.activations<int8>, pack = #lowbit.pack<panel>, rows = #lowbit.pack<rows>,
  unpermute = #lowbit.unpermute_rows<heads = 8>}

// CHECK-LABEL: func.func @precisions_of_rows
// CHECK: !lowbit.rows<tokens x 128, bf16>
// CHECK: !lowbit.rows<tokens x 128, int16, bias = [8, 128], sums>
func.func @precisions_of_rows(%x: tensor<?x128xf32>)
    -> (!lowbit.rows<tokens x 128, bf16>, !lowbit.rows<tokens x 128, int16, bias = [8, 128], sums>) {
  %b = lowbit.quantize_rows %x : tensor<?x128xf32> -> !lowbit.rows<tokens x 128, bf16>
  %i = lowbit.quantize_rows %x : tensor<?x128xf32> -> !lowbit.rows<tokens x 128, int16, bias = [8, 128], sums>
  return %b, %i : !lowbit.rows<tokens x 128, bf16>, !lowbit.rows<tokens x 128, int16, bias = [8, 128], sums>
}
