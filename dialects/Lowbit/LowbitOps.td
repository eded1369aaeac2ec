//===- LowbitOps.td - Operations of the quantization dialect -----------------------------------*- tablegen -*-===//
#ifndef NIBBLE_DIALECTS_LOWBIT_OPS
#define NIBBLE_DIALECTS_LOWBIT_OPS

include "dialects/Lowbit/LowbitDialect.td"
include "mlir/Dialect/LLVMIR/LLVMOpBase.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Lowbit_Op<string mnemonic, list<Trait> traits = []> : Op<Lowbit_Dialect, mnemonic, traits>;

def Lowbit_Matrix : 2DTensorOf<[F32]>;
def Lowbit_Vector : 1DTensorOf<[F32]>;

def Lowbit_QuantizeOp : Lowbit_Op<"quantize", [Pure]> {
  let summary = "the best codes and scales of a float weight in a format";
  let description = [{
    Symmetric formats of b bits: for each group, e its element of largest magnitude, with sign; for each factor
    f = 0.70, 0.71 .. 1.15: c = clamp(round(w / (f e / -2^(b-1))), -2^(b-1), 2^(b-1) - 1),
    s = f16(sum(w c) / sum(c c)); the first f with the smallest sum((w - s c)^2) wins. A group of zeros has scale 0.

    `zero = min`: the same factors stretch the range of the group about its middle; c = clamp(round((w - lo) / d), 0, 2^b - 1)
    with d = (hi - lo) / (2^b - 1); (s, m) is the least-squares solution for the codes, in f16; the winner's codes are
    rounded once more, c = clamp(round((w - m) / s), 0, 2^b - 1). Where all codes of a candidate are equal, s is 0 and m
    the group's mean.

    `zero = int`: lo = min(w, 0), hi = max(w, 0); for each of the factors r = f (hi - lo) / 2, d = 2 r / (2^b - 1),
    z = clamp(round((r - (lo + hi) / 2) / d), 0, 2^b - 1), q = clamp(round(w / d), -z, 2^b - 1 - z),
    s = f16(sum(w q) / sum(q q)); the first f with the smallest sum((w - s q)^2) wins, its q are rounded once more with s
    for d, and c = q + z.

    Codebooks, t0 the lowest entry of the table t: for each f = 0.70, 0.72 .. 1.14 the steps d = f e / t0 and -f e / t0;
    c = that of the entry nearest to w / d (of two equally near, the lower), s = f16(sum(w t[c]) / sum(t[c]^2)); the first
    with the smallest sum((w - s t[c])^2) wins; its codes are those of the entries nearest to w / s.

    The verifier refuses float formats, which are no quantization.

    ```mlir
    %q = lowbit.quantize %w : tensor<64x128xf32> -> !lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = none>>
    ```
  }];
  let arguments = (ins Lowbit_Matrix:$input);
  let results = (outs Lowbit_PackedType:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Lowbit_DequantizeOp : Lowbit_Op<"dequantize", [Pure]> {
  let summary = "the values of a packed weight";
  let description = [{
    value = s c, s (c - z), s t[c], or s c + m (see `#lowbit.format`). All but the last are exact in f32; the reference
    does not round that either.

    ```mlir
    %w = lowbit.dequantize %q : !lowbit.packed<64x128, <int8, group = 32, scale = f16, zero = none>> -> tensor<64x128xf32>
    ```
  }];
  let arguments = (ins Lowbit_PackedType:$input);
  let results = (outs Lowbit_Matrix:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Lowbit_RepackOp : Lowbit_Op<"repack", [Pure]> {
  let summary = "the same codes and scales in another layout";
  let description = [{
    Neither shape nor format changes, so that nothing that reads the values can tell. A repack to the same layout, or of
    a repack, folds away.

    ```mlir
    %p = lowbit.repack %q : !lowbit.packed<64x128, <bf16>> -> !lowbit.packed<64x128, <bf16>, panel>
    ```
  }];
  let arguments = (ins Lowbit_PackedType:$input);
  let results = (outs Lowbit_PackedType:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Lowbit_QuantizeRowsOp : Lowbit_Op<"quantize_rows", [Pure, AttrSizedOperandSegments]> {
  let summary = "row-wise work before linears: residual add, norm, and quantization of activations";
  let description = [{
    With x the input row (where `select`ed rows are given: row selected[r] of the input and of the residual, for each r):

    1. h = x, or x + `residual`; h is the optional second result,
    2. y = h, or with `norm` g and `eps` e: y_i = g_i h_i / sqrt(mean(h^2) + e),
    3. the result holds y as its type says (`!lowbit.rows`).

    Its result is shared by every linear that reads the same activations, whatever their formats.

    ```mlir
    %r = lowbit.quantize_rows %x norm(%g : tensor<512xf32>) {eps = 1.0e-5 : f32}
       : tensor<?x512xf32> -> !lowbit.rows<tokens x 512, int8, bias = [8]>
    ```
  }];
  let arguments = (ins Lowbit_Matrix:$input, Optional<Lowbit_Matrix>:$residual, Optional<Lowbit_Vector>:$norm,
                       Optional<1DTensorOf<[I32]>>:$selected, OptionalAttr<F32Attr>:$eps);
  let results = (outs Lowbit_RowsType:$result, Optional<Lowbit_Matrix>:$sum);
  let assemblyFormat = [{
    $input (`residual` `(` $residual^ `:` type($residual) `)`)? (`norm` `(` $norm^ `:` type($norm) `)`)?
    (`select` `(` $selected^ `:` type($selected) `)`)? attr-dict `:` type($input) `->` type($result)
    (`,` type($sum)^)?
  }];
  let hasVerifier = 1;
}

def Lowbit_LinearOp : Lowbit_Op<"linear", [Pure, AttrSizedOperandSegments, SingleBlock, IsolatedFromAbove]> {
  let summary = "rows times packed weights, with an epilogue on each element";
  let description = [{
    For row r and output channel n: a_j = sum over k of x[r][k] w_j[n][k], one for each weight; the region computes
    the result's element from the a_j and the elements [r][n] (or [n], for a vector) of the extra operands, all f32.
    Two weights serve gated feed-forward layers.

    ```mlir
    %y = lowbit.linear %x, (%w) extra(%res : tensor<?x512xf32>)
       : !lowbit.rows<tokens x 128, f32>, (!lowbit.packed<512x128, <bf16>, panel>) -> tensor<?x512xf32> {
    ^bb0(%a: f32, %r: f32):
      %s = arith.addf %a, %r : f32
      lowbit.yield %s : f32
    }
    ```
  }];
  let arguments = (ins Lowbit_RowsType:$input, Variadic<Lowbit_PackedType>:$weights,
                       Variadic<AnyTypeOf<[Lowbit_Matrix, Lowbit_Vector]>>:$extras);
  let results = (outs Lowbit_Matrix:$result);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    $input `,` `(` $weights `)` (`extra` `(` $extras^ `:` type($extras) `)`)? attr-dict
    `:` type($input) `,` `(` type($weights) `)` `->` type($result) $epilogue
  }];
  let hasVerifier = 1;
}

def Lowbit_YieldOp : Lowbit_Op<"yield", [Pure, Terminator, ReturnLike, HasParent<"LinearOp">]> {
  let summary = "ends the epilogue of lowbit.linear with the element's value";
  let description = [{
    ```mlir
    lowbit.yield %s : f32
    ```
  }];
  let arguments = (ins F32:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

def Lowbit_Dot4Op : Lowbit_Op<"dot4", [Pure, AllTypesMatch<["acc", "result"]>, AllTypesMatch<["a", "b"]>]> {
  let summary = "inner product step: i32 lanes += four products of an unsigned and a signed byte";
  let description = [{
    result[l] = acc[l] + sum over i < 4 of u8(a[4l+i]) s8(b[4l+i]), exact. Each CPU target legalises it:
    `vpdpbusd`, `pmaddubsw` and `pmaddwd`, or widening. `unsigned_max` is the largest value in `a` where that is known
    (15 for nibbles): targets whose intermediate sums saturate at 16 bits need it (2 x 15 x 128 fits, 2 x 255 x 128 does
    not). Where a or b is a constant of zeros, the result is acc.

    ```mlir
    %r = lowbit.dot4 %acc, %a, %b : vector<16xi32>, vector<64xi8>
    ```
  }];
  let arguments = (ins VectorOfRankAndType<[1], [I32]>:$acc, VectorOfRankAndType<[1], [I8]>:$a,
                       VectorOfRankAndType<[1], [I8]>:$b,
                       OptionalAttr<I32Attr>:$unsigned_max);
  let results = (outs VectorOfRankAndType<[1], [I32]>:$result);
  let assemblyFormat = "$acc `,` $a `,` $b attr-dict `:` type($acc) `,` type($a)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Lowbit_Dot2Op : Lowbit_Op<"dot2", [Pure, AllTypesMatch<["acc", "result"]>, AllTypesMatch<["a", "b"]>]> {
  let summary = "inner product step: f32 lanes += two products of bf16";
  let description = [{
    result[l] = (acc[l] + a[2l+1] b[2l+1]) + a[2l] b[2l], each multiply-add rounded once to nearest even in f32, subnormal
    inputs and results taken as zeros: `vdpbf16ps`. Only targets with that instruction have it (CPUTarget::hasBF16Dot).

    ```mlir
    %r = lowbit.dot2 %acc, %a, %b : vector<16xf32>, vector<32xbf16>
    ```
  }];
  let arguments = (ins VectorOfRankAndType<[1], [F32]>:$acc, VectorOfRankAndType<[1], [BF16]>:$a,
                       VectorOfRankAndType<[1], [BF16]>:$b);
  let results = (outs VectorOfRankAndType<[1], [F32]>:$result);
  let assemblyFormat = "$acc `,` $a `,` $b attr-dict `:` type($acc) `,` type($a)";
  let hasVerifier = 1;
}

def Lowbit_DotTileOp : Lowbit_Op<"dot_tile", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "inner product step on a unit of matrix tiles: rows of signed bytes by a tile of codes, in memory";
  let description = [{
    For each source x of `rows` rows by `columns` bytes, signed, row after row:

      sums[x][m][n] = sum over k < columns of s8(x[m][k]) code(k / 4, 4n + k mod 4)

    where the codes are columns / 4 vectors of 64 bytes, byte 4n+i of vector j being the code of output n, column 4j+i: one
    group of a panel, once unpacked. Codes are signed, or unsigned with `unsigned_codes`. Sums are i32, exact, [source][rows][16],
    and must not overlap what is read. The codes are read into a tile once for all sources. A tile has up to 16 rows of 64 bytes;
    only targets with such a unit have the operation (CPUTarget::hasTiles).

    ```mlir
    lowbit.dot_tile %codes, (%x0, %x1) into %sums {rows = 8 : i32, columns = 32 : i32, unsigned_codes}
    ```
  }];
  let arguments = (ins LLVM_DefaultPointer:$codes, Variadic<LLVM_DefaultPointer>:$sources, LLVM_DefaultPointer:$sums,
                       I32Attr:$rows, I32Attr:$columns, UnitAttr:$unsigned_codes);
  let assemblyFormat = "$codes `,` `(` $sources `)` `into` $sums attr-dict";
  let hasVerifier = 1;
}

def Lowbit_DotTileBF16Op : Lowbit_Op<"dot_tile_bf16", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "rows of bf16 by a panel of bf16 on a unit of matrix tiles, in memory";
  let description = [{
    For each source x of `rows` rows (1 to 16) of `columns` bf16, the next row `stride` bytes behind:

      sums[x][m][n] = sum over k < columns of x[m][k] weights[k / 2][n][k mod 2]

    where the weights are a panel of 16 outputs as bf16 lies in it: a line of 64 bytes for each pair of columns. Sums are f32,
    [source][16][16], of which `rows` rows are written; they must not overlap what is read.

    Additions have the order of `tdpbf16ps`. Of every 32 columns in turn, the even and the odd ones are added up apart, in
    multiply-adds from zero on, each rounded once to nearest even; their sum is added to that of the columns before. Subnormal
    inputs and results are zeros. What a row gives depends neither on how many rows there are nor on its place among them.

    `near` and `far` say how far ahead of the weights their lines are asked for, in bytes, into the first- and into the
    second-level cache (0: not at all). The unit has eight tiles, beside the weights and a source's rows those of the sums of up to
    six sources; only targets with it have the operation (CPUTarget::hasTiles).

    ```mlir
    lowbit.dot_tile_bf16 %weights, (%x0, %x1) of %rows into %sums {columns = 4096 : i64, stride = 8192 : i64, near = 2304 : i64}
    ```
  }];
  let arguments = (ins LLVM_DefaultPointer:$weights, Variadic<LLVM_DefaultPointer>:$sources, I16:$rows,
                       LLVM_DefaultPointer:$sums, I64Attr:$columns, I64Attr:$stride, DefaultValuedAttr<I64Attr, "0">:$near,
                       DefaultValuedAttr<I64Attr, "0">:$far);
  let assemblyFormat = "$weights `,` `(` $sources `)` `of` $rows `into` $sums attr-dict";
  let hasVerifier = 1;
}

def Lowbit_LookupOp : Lowbit_Op<"lookup", [Pure, AllTypesMatch<["codes", "result"]>]> {
  let summary = "bytes out of a table of 16 entries";
  let description = [{
    result[i] = table[codes[i]]; every byte of the codes is within 0 .. 15 (what others give is unspecified). This is how
    kernels read codebooks: each CPU target legalises it to its byte shuffle.

    ```mlir
    %r = lowbit.lookup %c in [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] : vector<64xi8>
    ```
  }];
  let arguments = (ins VectorOfRankAndType<[1], [I8]>:$codes, DenseI8ArrayAttr:$table);
  let results = (outs VectorOfRankAndType<[1], [I8]>:$result);
  let assemblyFormat = "$codes `in` $table attr-dict `:` type($codes)";
  let hasVerifier = 1;
}

#endif // NIBBLE_DIALECTS_LOWBIT_OPS
