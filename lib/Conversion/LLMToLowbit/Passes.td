//===- Passes.td - From language model ops to packed weights -----------------------------------*- tablegen -*-===//
#ifndef NIBBLE_CONVERSION_LLMTOLOWBIT_PASSES
#define NIBBLE_CONVERSION_LLMTOLOWBIT_PASSES

include "mlir/Pass/PassBase.td"

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
