//===- LowbitDialect.td - The quantization dialect: formats, packed weights, quantized rows ---*- tablegen -*-===//
#ifndef NIBBLE_DIALECTS_LOWBIT_DIALECT
#define NIBBLE_DIALECTS_LOWBIT_DIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Lowbit_Dialect : Dialect {
  let name = "lowbit";
  let cppNamespace = "::nibble::lowbit";
  let summary = "Weights of few bits, activations quantized row by row, and their products";
  let description = [{
    A weight is a value of type `!lowbit.packed`: its shape, its *format* (`#lowbit.format`) and its layout. Its
    bytes are never in the IR. Activations that a packed weight multiplies are `!lowbit.rows`. `lowbit.linear`
    multiplies the two and applies an epilogue; `lowbit.dot4` is the inner product step that each target legalises.
  }];
  // For the pointers of lowbit.dot_tile.
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
}

//===------------------------------------------------------------------------------------------------------===//
// Enumerations
//===------------------------------------------------------------------------------------------------------===//

class Lowbit_Enum<string name, string summary, list<I32EnumCase> cases> : I32Enum<name, summary, cases> {
  let cppNamespace = "::nibble::lowbit";
}

/// What one stored element is.
def Lowbit_ElementKind : Lowbit_Enum<"ElementKind", "stored element of a weight", [
  I32EnumCase<"F32", 0, "f32">, I32EnumCase<"F16", 1, "f16">, I32EnumCase<"BF16", 2, "bf16">,
  I32EnumCase<"Int4", 3, "int4">, I32EnumCase<"Int8", 4, "int8">, I32EnumCase<"NF4", 5, "nf4">,
  I32EnumCase<"FP4", 6, "fp4">, I32EnumCase<"E2M1", 7, "e2m1">, I32EnumCase<"IQ4", 8, "iq4">]>;

/// What is subtracted from, or added to, a scaled code.
def Lowbit_ZeroKind : Lowbit_Enum<"ZeroKind", "zero point of a format", [
  I32EnumCase<"None", 0, "none">, I32EnumCase<"Integer", 1, "int">, I32EnumCase<"Minimum", 2, "min">]>;

/// How the bytes of a packed weight lie: as the checkpoint has them, or in panels of 16 rows.
def Lowbit_LayoutKind : Lowbit_Enum<"LayoutKind", "layout of a packed weight", [
  I32EnumCase<"Rows", 0, "rows">, I32EnumCase<"Panel", 1, "panel">]>;

/// The precision in which a linear reads its activations.
def Lowbit_ActivationKind : Lowbit_Enum<"ActivationKind", "precision of quantized rows", [
  I32EnumCase<"F32", 0, "f32">, I32EnumCase<"Int8", 1, "int8">, I32EnumCase<"Int16", 2, "int16">,
  I32EnumCase<"BF16", 3, "bf16">]>;

/// How many rows there are: one for each token of the batch, or one for each row of logits.
def Lowbit_RowCount : Lowbit_Enum<"RowCount", "number of rows", [
  I32EnumCase<"Tokens", 0, "tokens">, I32EnumCase<"Logits", 1, "logits">]>;

//===------------------------------------------------------------------------------------------------------===//
// Attributes
//===------------------------------------------------------------------------------------------------------===//

class Lowbit_Attr<string name, string mnemonicText> : AttrDef<Lowbit_Dialect, name> {
  let mnemonic = mnemonicText;
}

def Lowbit_FormatAttr : Lowbit_Attr<"Format", "format"> {
  let summary = "how the numbers of a weight are stored";
  let description = [{
    A float element (`f32`, `f16`, `bf16`), or codes, of which `group` consecutive ones along K share an f16 scale
    (`group = 0`: the whole row). With s the scale, c the code, integers (`int4`, `int8`) are:

    * `zero = none`: value = s c, c in -2^(b-1) .. 2^(b-1) - 1 (full range; s may be negative),
    * `zero = int`: value = s (c - z), c and z in 0 .. 2^b - 1,
    * `zero = min`: value = s c + m, c in 0 .. 2^b - 1, m an f16 like the scale.

    Codebooks have codes of four bits, value = s t[c], and no zero points. The table t is int8 by definition, so that
    int8 activations are multiplied exactly; where a published table is of floats, t is that table times a factor,
    rounded to nearest:

    * `nf4`: the NF4 of QLoRA (-1, -0.6962 .. 0.7230, 1) times 127: -127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31,
      43, 56, 71, 92, 127,
    * `fp4`: the FP4 of bitsandbytes (0, 1/192, 2/3, 1, 1/3, 1/2, 1/6, 1/4, then their negatives) times 120: 0, 1, 80,
      120, 40, 60, 20, 30, 0, -1 .. -30; exact but for 1/192,
    * `e2m1`: the element of MXFP4 (0, 0.5, 1, 1.5, 2, 3, 4, 6, then their negatives) times 2: 0, 1, 2, 3, 4, 6, 8, 12,
      0, -1 .. -12; exact (the scale is f16, not a power of two),
    * `iq4`: GGUF's IQ4_NL, whose table is of integers: -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69,
      89, 113.

    ```mlir
    #lowbit.format<bf16>
    #lowbit.format<int4, group = 32, scale = f16, zero = none>
    #lowbit.format<nf4, group = 64, scale = f16, zero = none>
    ```
  }];
  let parameters = (ins
    EnumParameter<Lowbit_ElementKind>:$element,
    "uint32_t":$group,
    EnumParameter<Lowbit_ZeroKind>:$zero);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool isFloat() const;
    /// Whether codes are looked up in a table of 16 entries.
    bool isCodebook() const;
    /// Bits of one element: 4, 8, 16 or 32.
    unsigned getBits() const;
    /// What makes the factors of int8 activations unsigned bytes: 8 or 128 that the packer adds to symmetric codes, 128
    /// that kernels add to a codebook's entries; 0 where codes are unsigned already.
    int32_t getBias() const;
    /// The command line's spelling: `int4-g32`, `int8-channel`, `nf4-g64`, `bf16`.
    std::string getSpelling() const;
  }];
}

/// As an attribute of a linear: the precision in which it reads its activations.
def Lowbit_ActivationKindAttr : EnumAttr<Lowbit_Dialect, Lowbit_ActivationKind, "activations"> {
  let summary = "the precision in which a linear reads its activations";
  let description = [{
    `f32` as they are, `bf16` rounded, or `int8` and `int16` quantized in groups of 32 (see `!lowbit.rows`).

    ```mlir
    #lowbit.activations<int8>
    ```
  }];
  let assemblyFormat = "`<` $value `>`";
}

def Lowbit_UnpermuteRowsAttr : Lowbit_Attr<"UnpermuteRows", "unpermute_rows"> {
  let summary = "recipe step: undo the interleaving of rotary pairs within each head";
  let description = [{
    GGUF files of Llama-like models store row 2i of a head's D rows from Hugging Face's row i, and row 2i + 1 from
    row i + D/2. This step puts the rows back: row i of a head is read from stored row 2i (i < D/2) or
    2 (i - D/2) + 1. A vector (a bias) is permuted in the same way, element by element.

    ```mlir
    #lowbit.unpermute_rows<heads = 8>
    ```
  }];
  let parameters = (ins "int64_t":$heads);
  let assemblyFormat = "`<` `heads` `=` $heads `>`";
  let genVerifyDecl = 1;
}

def Lowbit_ConvertAttr : Lowbit_Attr<"Convert", "convert"> {
  let summary = "recipe step: convert the rows to a format";
  let description = [{
    Quantizes float rows (see `lowbit.quantize`), or converts between float formats. Rows that have the format already
    are untouched.

    ```mlir
    #lowbit.convert<<int4, group = 32, scale = f16, zero = none>>
    ```
  }];
  let parameters = (ins "FormatAttr":$format);
  let assemblyFormat = "`<` $format `>`";
}

def Lowbit_PackAttr : Lowbit_Attr<"Pack", "pack"> {
  let summary = "recipe step: lay the rows out for kernels";
  let description = [{
    The last step where there is one: `panel` is what kernels read.

    ```mlir
    #lowbit.pack<panel>
    ```
  }];
  let parameters = (ins EnumParameter<Lowbit_LayoutKind>:$layout);
  let assemblyFormat = "`<` $layout `>`";
}

//===------------------------------------------------------------------------------------------------------===//
// Types
//===------------------------------------------------------------------------------------------------------===//

class Lowbit_Type<string name, string mnemonicText> : TypeDef<Lowbit_Dialect, name> {
  let mnemonic = mnemonicText;
}

def Lowbit_PackedType : Lowbit_Type<"Packed", "packed"> {
  let summary = "a weight of N rows (output channels) by K columns in a format and a layout";
  let description = [{
    Codes, scales and zero points together; nothing of them is in the type but how they are stored. The layout `rows` is
    not written out.

    ```mlir
    !lowbit.packed<2048x512, <int4, group = 32, scale = f16, zero = none>>          // as in the checkpoint
    !lowbit.packed<2048x512, <int4, group = 32, scale = f16, zero = none>, panel>   // as kernels read it
    ```
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns, "FormatAttr":$format,
                        EnumParameter<Lowbit_LayoutKind>:$layout);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Lowbit_RowsType : Lowbit_Type<"Rows", "rows"> {
  let summary = "activations of K columns, one row for each token (or row of logits), ready for lowbit.linear";
  let description = [{
    `f32`, `bf16`: [rows][K padded to 64] elements (bf16: rounded to nearest even), the padding zero.

    `int8`: x is approximated by d q with m = max |x|, d = f32(m / 127) and r = f32(127 / m) over each group of 32
    columns and q = round(f32(x r)), ties to even, within -127 .. 127; a group of zeros has d = 0 and q = 0. (Where m is
    below 1e-34, r may be infinite or d subnormal: such codes are unspecified, and worth nothing.) The rows lie in
    *tiles*: with R rows in all, tiles of 8, the last of R mod 8 (all R where R is below 8). For each tile, for each
    group of 32, a record of

      int8 q[tile][32]; f32 c[number of biases][tile], c = 1.5 2^23 - bias sum(q); f32 d[tile];
      f32 s[tile], s = d sum(q), only with `sums`

    so that a kernel starts an integer accumulator at the bits of c and multiplies unsigned codes: floats about 1.5 2^23
    are one apart, so the accumulator ends at the bits of a float that is 1.5 2^23 more than the sum, and needs no
    conversion.

    `int16`: the same with 32639 in the place of 127, q within -32639 .. 32639 and split into two int8 planes
    q = 256 hi + lo, hi = floor((q + 128) / 256); the record begins with int8 hi[tile][32]; int8 lo[tile][32], and its c
    is an int32, -bias sum(q). Both planes are multiplied by the same weights: the sum over 256 hi + lo is exact in 32
    bits, but not in 24.

    `bias` lists the different biases of
    the weights that read the rows; `sums` is there if one of these has a float minimum.

    ```mlir
    !lowbit.rows<tokens x 512, f32>
    !lowbit.rows<tokens x 512, int8, bias = [8, 128]>
    !lowbit.rows<logits x 512, int8, bias = [0], sums>
    !lowbit.rows<tokens x 512, int16, bias = [128]>
    ```
  }];
  let parameters = (ins EnumParameter<Lowbit_RowCount>:$count, "int64_t":$columns,
                        EnumParameter<Lowbit_ActivationKind>:$activations,
                        ArrayRefParameter<"int32_t">:$biases, "bool":$sums);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// K padded to a multiple of 64.
    int64_t getPaddedColumns() const { return (getColumns() + 63) / 64 * 64; }
    /// Bytes that one row takes in all (records are never padded between tiles).
    int64_t getRowBytes() const;
    /// Whether rows are integer codes with scales: int8 or int16.
    bool isInteger() const;
    /// int8 planes of an integer row: 1 or 2.
    int64_t getPlanes() const;
    /// Integer rows: bytes that one row takes in one group's record: 32 * planes + 4 * biases + 4 (+ 4 with sums).
    int64_t getRecordBytes() const;
  }];
}

#endif // NIBBLE_DIALECTS_LOWBIT_DIALECT
