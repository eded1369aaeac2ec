//===- LLMDialect.td - Language models: parameters, the cache, and one op a meaning ------------*- tablegen -*-===//
#ifndef NIBBLE_DIALECTS_LLM_DIALECT
#define NIBBLE_DIALECTS_LLM_DIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def LLM_Dialect : Dialect {
  let name = "llm";
  let cppNamespace = "::nibble::llm";
  let summary = "What a decoder-only language model computes, on a ragged batch of tokens";
  let description = [{
    Activations are `tensor<?xNxf32>`, one row for each token of the batch; weights are `llm.param`s, by name. The KV
    cache is an argument of type `!llm.cache`, which also knows which rows belong to which sequence; only
    `llm.attention` touches it. Each op has one reference function in lib/Reference.
  }];
  let dependentDialects = ["::nibble::lowbit::LowbitDialect"];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
}

def LLM_ActivationKind : I32Enum<"Activation", "activation of a gated feed-forward layer", [
  I32EnumCase<"Silu", 0, "silu">, I32EnumCase<"Gelu", 1, "gelu">, I32EnumCase<"GeluTanh", 2, "gelu_tanh">]> {
  let cppNamespace = "::nibble::llm";
}
def LLM_ActivationAttr : EnumAttr<LLM_Dialect, LLM_ActivationKind, "activation"> {
  let summary = "activation of a gated feed-forward layer";
  let description = [{
    The formulas are those of `llm.glu`.

    ```mlir
    #llm<activation gelu_tanh>
    ```
  }];
}

def LLM_CacheType : TypeDef<LLM_Dialect, "Cache"> {
  let mnemonic = "cache";
  let summary = "the paged KV cache, and the sequences of the batch";
  let description = [{
    K and V lie as [layer][page][kv_head], then K as [head_dim][slot] and V as [slot][head_dim]; a page is 32 positions of
    one sequence. The element type is a choice made at run time (f32, f16, bf16, int8 with a scale for each position and
    head).

    ```mlir
    !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>
    ```
  }];
  let parameters = (ins "int64_t":$layers, "int64_t":$kv_heads, "int64_t":$head_dim);
  let assemblyFormat = "`<` `layers` `=` $layers `,` `kv_heads` `=` $kv_heads `,` `head_dim` `=` $head_dim `>`";
  let genVerifyDecl = 1;
}

#endif // NIBBLE_DIALECTS_LLM_DIALECT
