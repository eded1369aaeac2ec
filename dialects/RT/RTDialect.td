//===- RTDialect.td - What runs: kernels, dispatches, buffers -----------------------------------*- tablegen -*-===//
#ifndef NIBBLE_DIALECTS_RT_DIALECT
#define NIBBLE_DIALECTS_RT_DIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def RT_Dialect : Dialect {
  let name = "rt";
  let cppNamespace = "::nibble::rt";
  let summary = "The program of one step: a flat list of dispatches of kernels on buffers of one arena";
  let description = [{
    CPU and GPU share it: the same dispatch becomes a parallel loop on one and a launch on the other. The sizes of
    buffers are linear in the token budget and the row budget of a step: `[bytes a token, bytes a row of logits, bytes]`.
  }];
  let dependentDialects = ["::nibble::lowbit::LowbitDialect"];
  let useDefaultAttributePrinterParser = 1;
}

class RT_Enum<string name, string summary, list<I32EnumCase> cases> : I32Enum<name, summary, cases> {
  let cppNamespace = "::nibble::rt";
}

/// The conversion in lib/Codegen that emits a kernel.
def RT_Family : RT_Enum<"Family", "family of a kernel", [
  I32EnumCase<"Embed", 0, "embed">, I32EnumCase<"Rows", 1, "rows">, I32EnumCase<"Linear", 2, "linear">,
  I32EnumCase<"Attention", 3, "attention">, I32EnumCase<"Angles", 4, "angles">, I32EnumCase<"StoreKV", 5, "store_kv">,
  I32EnumCase<"Merge", 6, "merge">]>;

/// When all workers must have finished what comes before a dispatch.
def RT_Barrier : RT_Enum<"Barrier", "barrier before a dispatch", [
  I32EnumCase<"Never", 0, "never">, I32EnumCase<"Shared", 1, "shared">, I32EnumCase<"Always", 2, "always">]>;

/// Where a buffer lies.
def RT_Space : RT_Enum<"Space", "memory of a buffer", [
  I32EnumCase<"Arena", 0, "arena">, I32EnumCase<"Private", 1, "private">]>;

/// What a kernel can read from the batch of the step.
def RT_BatchField : RT_Enum<"BatchField", "field of the ragged batch", [
  I32EnumCase<"TokenId", 0, "token_id">, I32EnumCase<"Position", 1, "position">,
  I32EnumCase<"LogitsRow", 2, "logits_row">]>;

class RT_EnumAttr<EnumInfo info, string mnemonic, string text> : EnumAttr<RT_Dialect, info, mnemonic> {
  let summary = info.summary;
  let description = text;
}

def RT_FamilyAttr : RT_EnumAttr<RT_Family, "family", [{
    The conversion that turns a kernel into code.

    ```mlir
    #rt.family<linear>
    ```
  }]> {
  let assemblyFormat = "`<` $value `>`";
}
def RT_BarrierAttr : RT_EnumAttr<RT_Barrier, "barrier", [{
    `never`; `shared`: only in steps of more than 16 tokens, in which private buffers are shared; `always`.

    ```mlir
    #rt<barrier shared>
    ```
  }]>;
def RT_SpaceAttr : RT_EnumAttr<RT_Space, "space", [{
    `arena`, or `private`: in steps of at most 16 tokens every worker has a copy of its own.

    ```mlir
    #rt<space private>
    ```
  }]>;
def RT_BatchFieldAttr : RT_EnumAttr<RT_BatchField, "batch_field", [{
    An array of NibbleBatch (include/nibble/runtime/KernelABI.h).

    ```mlir
    #rt<batch_field token_id>
    ```
  }]>;

#endif // NIBBLE_DIALECTS_RT_DIALECT
