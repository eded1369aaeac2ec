//===- LLMOps.td - Operations of language models ------------------------------------------------*- tablegen -*-===//
#ifndef NIBBLE_DIALECTS_LLM_OPS
#define NIBBLE_DIALECTS_LLM_OPS

include "dialects/LLM/LLMDialect.td"
include "dialects/Lowbit/LowbitDialect.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class LLM_Op<string mnemonic, list<Trait> traits = []> : Op<LLM_Dialect, mnemonic, traits>;

/// Activations: [tokens, features] f32.
def LLM_Rows : 2DTensorOf<[F32]>;
/// One value a feature: gains and biases.
def LLM_Vector : 1DTensorOf<[F32]>;
/// A weight: [output channels, input channels], f32 or packed.
def LLM_Weight : AnyTypeOf<[2DTensorOf<[F32]>, Lowbit_PackedType]>;
/// One i32 a row: ids, positions, selected rows.
def LLM_Indices : 1DTensorOf<[I32]>;

def LLM_ParamOp : LLM_Op<"param", [Pure]> {
  let summary = "a weight of the checkpoint, by its Hugging Face name";
  let description = [{
    The bytes are in the parameter store. `source` is the format in which the checkpoint has them. `recipe` lists what
    happens to them on the way into the artifact, in order (`#lowbit.unpermute_rows`, `#lowbit.convert`,
    `#lowbit.pack`, the last); the store carries it out in blocks of rows, at compile time. A value of tensor type is f32.

    ```mlir
    %w = llm.param @"model.layers.0.mlp.up_proj.weight" source(<bf16>) : tensor<384x128xf32>
    %q = llm.param @"model.layers.0.mlp.up_proj.weight" source(<bf16>)
         recipe [#lowbit.convert<<int4, group = 32, scale = f16, zero = none>>]
       : !lowbit.packed<384x128, <int4, group = 32, scale = f16, zero = none>>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$name, Lowbit_FormatAttr:$source,
                       DefaultValuedAttr<ArrayAttr, "{}">:$recipe);
  let results = (outs AnyTypeOf<[1DTensorOf<[F32]>, 2DTensorOf<[F32]>, 3DTensorOf<[F32]>, Lowbit_PackedType]>:$result);
  let assemblyFormat = "$name `source` `(` $source `)` (`recipe` $recipe^)? attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def LLM_EmbedOp : LLM_Op<"embed", [Pure]> {
  let summary = "rows of the embedding table";
  let description = [{
    result[t] = scale table[ids[t]].

    ```mlir
    %h = llm.embed %ids, %table : tensor<?xi32>, tensor<2048x128xf32> -> tensor<?x128xf32>
    ```
  }];
  let arguments = (ins LLM_Indices:$ids, LLM_Weight:$table, DefaultValuedAttr<F32Attr, "1.0f">:$scale);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$ids `,` $table attr-dict `:` type($ids) `,` type($table) `->` type($result)";
  let hasVerifier = 1;
}

def LLM_RMSNormOp : LLM_Op<"rms_norm", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "root mean square norm (Zhang and Sennrich 2019)";
  let description = [{
    y_i = g_i x_i / sqrt(mean(x^2) + eps), in runs of the gain's size along the row: a gain as long as the row norms
    the row, a gain of head_dim elements norms each head.

    ```mlir
    %y = llm.rms_norm %x, %gain {eps = 1.0e-6 : f32} : tensor<?x128xf32>, tensor<128xf32>
    ```
  }];
  let arguments = (ins LLM_Rows:$input, LLM_Vector:$gain, F32Attr:$eps);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$input `,` $gain attr-dict `:` type($input) `,` type($gain)";
  let hasVerifier = 1;
}

def LLM_LayerNormOp : LLM_Op<"layer_norm", [Pure, AllTypesMatch<["input", "result"]>, AllTypesMatch<["gain", "bias"]>]> {
  let summary = "layer norm (Ba, Kiros and Hinton 2016)";
  let description = [{
    y_i = g_i (x_i - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) + b_i over the row.

    ```mlir
    %y = llm.layer_norm %x, %gain, %bias {eps = 1.0e-5 : f32} : tensor<?x128xf32>, tensor<128xf32>
    ```
  }];
  let arguments = (ins LLM_Rows:$input, LLM_Vector:$gain, LLM_Vector:$bias, F32Attr:$eps);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$input `,` $gain `,` $bias attr-dict `:` type($input) `,` type($gain)";
  let hasVerifier = 1;
}

def LLM_LinearOp : LLM_Op<"linear", [Pure]> {
  let summary = "rows times the transpose of a weight, plus a bias";
  let description = [{
    y[t][n] = sum over k of x[t][k] w[n][k] + b[n]. `activations` is the precision in which x is read; with `int8`, x
    stands for d q as in `!lowbit.rows`, so that fusing changes no number. Import leaves it out, `lowbit-assign-formats`
    sets it.

    ```mlir
    %y = llm.linear %x, %w bias(%b : tensor<384xf32>) : tensor<?x128xf32>, tensor<384x128xf32> -> tensor<?x384xf32>
    ```
  }];
  let arguments = (ins LLM_Rows:$input, 2DTensorOf<[F32]>:$weight, Optional<LLM_Vector>:$bias,
                       OptionalAttr<Lowbit_ActivationKindAttr>:$activations);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` `(` $bias^ `:` type($bias) `)`)? attr-dict
    `:` type($input) `,` type($weight) `->` type($result)
  }];
  let hasVerifier = 1;
}

def LLM_RopeOp : LLM_Op<"rope", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "rotary position embedding, half-split (Su et al. 2021)";
  let description = [{
    Each row holds heads of `head_dim` elements. With F = `inverse_frequencies`, p the token's position, angle_j = f32(p F_j),
    and D = 2 |F| the rotated part of a head: for j < D/2

      y_j       = a (x_j cos angle_j - x_{j+D/2} sin angle_j)
      y_{j+D/2} = a (x_{j+D/2} cos angle_j + x_j sin angle_j)

    and what is left of the head passes through. a = `attention_factor` (YaRN's, Peng et al. 2023). Scaling of long
    contexts is in the frequencies.

    ```mlir
    %y = llm.rope %x, %positions {head_dim = 4 : i64, inverse_frequencies = array<f32: 1.0, 0.01>}
       : tensor<?x128xf32>, tensor<?xi32>
    ```
  }];
  let arguments = (ins LLM_Rows:$input, LLM_Indices:$positions, I64Attr:$head_dim,
                       DenseF32ArrayAttr:$inverse_frequencies,
                       DefaultValuedAttr<F32Attr, "1.0f">:$attention_factor);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$input `,` $positions attr-dict `:` type($input) `,` type($positions)";
  let hasVerifier = 1;
}

def LLM_AnglesOp : LLM_Op<"angles", [Pure]> {
  let summary = "cosines and sines of rotary position embedding, one row for each token";
  let description = [{
    The part of `llm.rope` that all heads and layers share. With F = `inverse_frequencies`, a = `attention_factor`, p the
    token's position and angle_j = f32(p F_j): for j < |F|

      result[t][j]       = a cos angle_j
      result[t][|F| + j] = a sin angle_j

    `llm-share-angles` makes it, in the fuse phase.

    ```mlir
    %a = llm.angles %positions {inverse_frequencies = array<f32: 1.0, 0.01>} : tensor<?xi32> -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins LLM_Indices:$positions, DenseF32ArrayAttr:$inverse_frequencies,
                       DefaultValuedAttr<F32Attr, "1.0f">:$attention_factor);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$positions attr-dict `:` type($positions) `->` type($result)";
  let hasVerifier = 1;
}

def LLM_RotateOp : LLM_Op<"rotate", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "turns pairs of elements of each head by the angles of its row";
  let description = [{
    What is left of `llm.rope` once its angles are known. `angles` holds c_j and then s_j of a row, D/2 of each: for
    j < D/2, in each head of `head_dim` elements,

      y_j       = x_j c_j - x_{j+D/2} s_j
      y_{j+D/2} = x_{j+D/2} c_j + x_j s_j

    and what is left of the head passes through.

    ```mlir
    %y = llm.rotate %x, %angles {head_dim = 8 : i64} : tensor<?x128xf32>, tensor<?x4xf32>
    ```
  }];
  let arguments = (ins LLM_Rows:$input, LLM_Rows:$angles, I64Attr:$head_dim);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$input `,` $angles attr-dict `:` type($input) `,` type($angles)";
  let hasVerifier = 1;
}

def LLM_AttentionOp : LLM_Op<"attention", [AllTypesMatch<["query", "result"]>, AllTypesMatch<["key", "value"]>,
                                            DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "stores K and V of the batch in the cache, then attends to the cache";
  let description = [{
    First every row's k and v are stored at its position in the pages of its sequence, in layer `layer`. Then for each
    row t of a sequence at position p and each of its heads h, with g = h / (heads / kv_heads) and the positions
    j = max(0, p - window + 1) .. p (j = 0 .. p without a window):

      s_j = scale q[t][h] . K[j][g];  with `softcap` c: s_j = c tanh(s_j / c)
      result[t][h] = sum_j exp(s_j) V[j][g] / (sum_j exp(s_j) + exp(sink[h]))

    (the last term only with `sinks`).

    ```mlir
    %o = llm.attention %q, %k, %v, %cache {layer = 0 : i64, heads = 8 : i64, scale = 0.25 : f32}
       : tensor<?x128xf32>, tensor<?x64xf32>, !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>
    ```
  }];
  let arguments = (ins LLM_Rows:$query, LLM_Rows:$key, LLM_Rows:$value, LLM_CacheType:$cache,
                       Optional<LLM_Vector>:$sinks, I64Attr:$layer, I64Attr:$heads, F32Attr:$scale,
                       OptionalAttr<I64Attr>:$window, OptionalAttr<F32Attr>:$softcap);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value `,` $cache (`sinks` `(` $sinks^ `:` type($sinks) `)`)? attr-dict
    `:` type($query) `,` type($key) `,` type($cache)
  }];
  let hasVerifier = 1;
}

def LLM_GLUOp : LLM_Op<"glu", [Pure, SameOperandsAndResultType]> {
  let summary = "gate of a feed-forward layer (Shazeer 2020)";
  let description = [{
    y = act(gate) up, element by element; `silu`: x / (1 + exp(-x)); `gelu`: x (1 + erf(x / sqrt 2)) / 2; `gelu_tanh`:
    x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

    ```mlir
    %y = llm.glu silu %gate, %up : tensor<?x384xf32>
    ```
  }];
  let arguments = (ins LLM_ActivationAttr:$activation,
                       LLM_Rows:$gate, LLM_Rows:$up);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = "$activation $gate `,` $up attr-dict `:` type($result)";
}

def LLM_MoEOp : LLM_Op<"moe", [Pure, AllTypesMatch<["input", "result"]>, AllTypesMatch<["gate", "up"]>]> {
  let summary = "mixture of gated feed-forward experts";
  let description = [{
    p = softmax(router x) over E experts; the `experts_per_token` largest are chosen (ties: the lower index) and, with
    `normalize`, divided by their sum. result = sum over the chosen e of p_e down_e (act(gate_e x) * (up_e x)).

    ```mlir
    %y = llm.moe silu %x, %router, %gate, %up, %down {experts_per_token = 2 : i64, normalize}
       : tensor<?x128xf32>, tensor<8x128xf32>, tensor<8x96x128xf32>, tensor<8x128x96xf32>
    ```
  }];
  let arguments = (ins LLM_ActivationAttr:$activation,
                       LLM_Rows:$input, 2DTensorOf<[F32]>:$router, 3DTensorOf<[F32]>:$gate, 3DTensorOf<[F32]>:$up,
                       3DTensorOf<[F32]>:$down, I64Attr:$experts_per_token, UnitAttr:$normalize);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = [{
    $activation $input `,` $router `,` $gate `,` $up `,` $down attr-dict
    `:` type($input) `,` type($router) `,` type($gate) `,` type($down)
  }];
  let hasVerifier = 1;
}

def LLM_LoRAOp : LLM_Op<"lora", [Pure, AllTypesMatch<["base", "result"]>]> {
  let summary = "low-rank adapter on a linear's result (Hu et al. 2021)";
  let description = [{
    y = base + scale B (A x), with x the linear's input, A of R x K, B of N x R. A scale of 0 switches the adapter off:
    the op folds to its base, whatever A x is.

    ```mlir
    %z = llm.lora %x, %y, %a, %b {scale = 2.0 : f32}
       : tensor<?x128xf32>, tensor<?x384xf32>, tensor<8x128xf32>, tensor<384x8xf32>
    ```
  }];
  let arguments = (ins LLM_Rows:$input, LLM_Rows:$base, 2DTensorOf<[F32]>:$a, 2DTensorOf<[F32]>:$b,
                       F32Attr:$scale);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = [{
    $input `,` $base `,` $a `,` $b attr-dict `:` type($input) `,` type($base) `,` type($a) `,` type($b)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def LLM_LogitsOp : LLM_Op<"logits", [Pure]> {
  let summary = "the head, on the rows whose logits are wanted";
  let description = [{
    result[r][n] = sum over k of x[rows[r]][k] w[n][k]; `activations` as in `llm.linear`.

    ```mlir
    %l = llm.logits %x, %rows, %w : tensor<?x128xf32>, tensor<?xi32>, tensor<2048x128xf32> -> tensor<?x2048xf32>
    ```
  }];
  let arguments = (ins LLM_Rows:$input, LLM_Indices:$rows, 2DTensorOf<[F32]>:$weight,
                       OptionalAttr<Lowbit_ActivationKindAttr>:$activations);
  let results = (outs LLM_Rows:$result);
  let assemblyFormat = [{
    $input `,` $rows `,` $weight attr-dict `:` type($input) `,` type($rows) `,` type($weight) `->` type($result)
  }];
  let hasVerifier = 1;
}

#endif // NIBBLE_DIALECTS_LLM_OPS
