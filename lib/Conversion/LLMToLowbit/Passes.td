//===- Passes.td - From language model ops to packed weights -----------------------------------*- tablegen -*-===//
#ifndef NIBBLE_CONVERSION_LLMTOLOWBIT_PASSES
#define NIBBLE_CONVERSION_LLMTOLOWBIT_PASSES

include "mlir/Pass/PassBase.td"

def AssignFormatsPass : Pass<"lowbit-assign-formats"> {
  let summary = "chooses the format of every weight, and the precision of the activations that it multiplies";
  let description = [{
    Weights of `llm.linear`, `llm.logits` and `llm.embed` become `!lowbit.packed`: the conversion is added to the recipe
    of their `llm.param`, and a `lowbit.dequantize` is put before each linear. `activations` of each linear is set. A weight
    that already has a format keeps it. Gains and biases stay f32.

    The embedding table and the head have int8-g32 where `precision` is a quantized format, unless `head` or
    `embedding` says otherwise; where one table is both, either option sets both. Tensors that the plan file names
    have what it says. `keep` leaves what the checkpoint has, codes and scales untouched; it is the default where the
    checkpoint is quantized, int4 otherwise.

    Precondition: the import phase.

    ```mlir
    %w = llm.param @w source(<bf16>) : tensor<64x128xf32>
    %y = llm.linear %x, %w : tensor<?x128xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
    // becomes, with precision=int4
    %w = llm.param @w source(<bf16>) recipe [#lowbit.convert<<int4, group = 32, scale = f16, zero = none>>]
       : !lowbit.packed<64x128, <int4, group = 32, scale = f16, zero = none>>
    %d = lowbit.dequantize %w : ... -> tensor<64x128xf32>
    %y = llm.linear %x, %d {activations = #lowbit.activations<int8>} : ...
    ```
  }];
  let options = [
    Option<"precision", "precision", "std::string", "", "Format of linears, or keep">,
    Option<"head", "head", "std::string", "", "Format of the head, or keep">,
    Option<"embedding", "embedding", "std::string", "", "Format of the embedding table, or keep">,
    Option<"activations", "activations", "std::string", "", "Precision of activations: int8, int16, bf16 or f32">,
    Option<"plan", "plan", "std::string", "", "Precision plan (JSON) that overrides these for the tensors it names">];
  let dependentDialects = ["::nibble::lowbit::LowbitDialect"];
}

def FuseDequantPass : Pass<"lowbit-fuse-dequant"> {
  let summary = "linears of dequantized weights become products of packed weights and quantized rows";
  let description = [{
    Each `llm.linear` or `llm.logits` of a `lowbit.dequantize` becomes `lowbit.quantize_rows` and `lowbit.linear`, the
    rows in the precision that `activations` says; a bias goes into the epilogue. Weights get the panel layout, written
    into the recipe of their `llm.param`; so does the table of `llm.embed`.

    Precondition: `lowbit-assign-formats`. Follow with `lowbit-fuse-rows`, which makes linears share their rows.

    ```mlir
    %w = llm.param @w source(<f32>) recipe [...] : !lowbit.packed<64x128, <int8, ...>>
    %d = lowbit.dequantize %w : ...
    %y = llm.linear %x, %d bias(%b : tensor<64xf32>) {activations = #lowbit.activations<int8>} : ...
    // becomes
    %w = llm.param @w source(<f32>) recipe [..., #lowbit.pack<panel>] : !lowbit.packed<64x128, <int8, ...>, panel>
    %r = lowbit.quantize_rows %x : tensor<?x128xf32> -> !lowbit.rows<tokens x 128, int8, bias = [128]>
    %y = lowbit.linear %r, (%w) extra(%b : tensor<64xf32>) : ... {
    ^bb0(%a: f32, %bias: f32):
      %s = arith.addf %a, %bias : f32
      lowbit.yield %s : f32
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::nibble::lowbit::LowbitDialect"];
}

def FuseRowsPass : Pass<"lowbit-fuse-rows"> {
  let summary = "norms move into lowbit.quantize_rows, which all readers of the same rows share";
  let description = [{
    A `llm.rms_norm` of whole rows moves into the `lowbit.quantize_rows` that read it (behind the selection of
    rows, where there is one) and stays only for other readers. Then rows of one input, norm, selection and precision
    become one value: its biases are those of all weights that read it, with sums if one of them needs sums. Different
    precisions stay apart.

    Precondition: one `llm.param` for a gain (`cse`).

    ```mlir
    %n = llm.rms_norm %x, %g {eps = 1.0e-5 : f32} : tensor<?x128xf32>, tensor<128xf32>
    %r = lowbit.quantize_rows %n : tensor<?x128xf32> -> !lowbit.rows<tokens x 128, int8, bias = [8]>
    %s = lowbit.quantize_rows %n : tensor<?x128xf32> -> !lowbit.rows<tokens x 128, int8, bias = [128]>
    // becomes, %s replaced by %r
    %r = lowbit.quantize_rows %x norm(%g : tensor<128xf32>) {eps = 1.0e-5 : f32}
       : tensor<?x128xf32> -> !lowbit.rows<tokens x 128, int8, bias = [8, 128]>
    ```
  }];
  let dependentDialects = ["::nibble::lowbit::LowbitDialect"];
}

def FuseEpiloguePass : Pass<"lowbit-fuse-epilogue"> {
  let summary = "residual adds and gates move into the epilogue of lowbit.linear";
  let description = [{
    A linear that only a residual add reads does the add itself. A gated layer whose gate and up linears read the same
    rows becomes one linear of two weights; where their rows differ in precision, the up linear takes the gate's
    result as an extra operand.

    Precondition: `lowbit-fuse-rows`.

    ```mlir
    %g = lowbit.linear %r, (%wg) : ... { ... }
    %u = lowbit.linear %r, (%wu) : ... { ... }
    %y = llm.glu silu %g, %u : tensor<?x384xf32>
    // becomes
    %y = lowbit.linear %r, (%wg, %wu) : ... {
    ^bb0(%a: f32, %b: f32):
      // a / (1 + exp(-a)) * b
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::nibble::lowbit::LowbitDialect"];
}

#endif // NIBBLE_CONVERSION_LLMTOLOWBIT_PASSES
