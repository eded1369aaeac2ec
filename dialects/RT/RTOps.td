//===- RTOps.td - Operations of the runtime's program -------------------------------------------*- tablegen -*-===//
#ifndef NIBBLE_DIALECTS_RT_OPS
#define NIBBLE_DIALECTS_RT_OPS

include "dialects/Lowbit/LowbitDialect.td"
include "dialects/RT/RTDialect.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class RT_Op<string mnemonic, list<Trait> traits = []> : Op<RT_Dialect, mnemonic, traits>;

def RT_KernelOp : RT_Op<"kernel", [IsolatedFromAbove, FunctionOpInterface]> {
  let summary = "work that is split into items, described by ops on tensors";
  let description = [{
    The body says what is computed; the conversion of its `family` says how. Inputs and then results are the kernel's
    operands at run time (include/nibble/runtime/KernelABI.h). Kernels of the same body are one.

    ```mlir
    rt.kernel @linear_384x128 (%x: !lowbit.rows<tokens x 128, f32>, %w: !lowbit.packed<384x128, <bf16>, panel>)
        -> tensor<?x384xf32> attributes {family = #rt.family<linear>} {
      %y = lowbit.linear %x, (%w) : !lowbit.rows<tokens x 128, f32>, (!lowbit.packed<384x128, <bf16>, panel>)
        -> tensor<?x384xf32> {
      ^bb0(%a: f32):
        lowbit.yield %a : f32
      }
      rt.yield %y : tensor<?x384xf32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type,
                       RT_FamilyAttr:$family,
                       OptionalAttr<StrAttr>:$sym_visibility,
                       OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::mlir::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
  }];
}

def RT_YieldOp : RT_Op<"yield", [Pure, Terminator, ReturnLike, HasParent<"KernelOp">]> {
  let summary = "ends a kernel's body with its results";
  let description = [{
    ```mlir
    rt.yield %y : tensor<?x384xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
  let hasVerifier = 1;
}

def RT_BatchOp : RT_Op<"batch", [Pure]> {
  let summary = "an array of the step's ragged batch, inside a kernel";
  let description = [{
    `token_id` and `position` have one element a token, `logits_row` one a row of logits: the tokens whose logits are wanted.

    ```mlir
    %ids = rt.batch token_id : tensor<?xi32>
    ```
  }];
  let arguments = (ins RT_BatchFieldAttr:$field);
  let results = (outs 1DTensorOf<[I32]>:$result);
  let assemblyFormat = "$field attr-dict `:` type($result)";
}

def RT_StoreKVOp : RT_Op<"store_kv", [AllTypesMatch<["key", "value"]>]> {
  let summary = "stores K and V of long steps in the cache, ahead of rt.attend";
  let description = [{
    The first part of `llm.attention`, made by `rt-split-attention`: every row's k and v are stored at its position in
    the pages of its sequence, in layer `layer`. In steps of at most 16 tokens it does nothing: there each item of
    `rt.attend` stores the rows of the blocks that it reads itself.

    ```mlir
    rt.store_kv %k, %v, %cache {layer = 0 : i64, kv_heads = 4 : i64, head_dim = 16 : i64}
      : tensor<?x64xf32>, !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>
    ```
  }];
  let arguments = (ins 2DTensorOf<[F32]>:$key, 2DTensorOf<[F32]>:$value, AnyType:$cache, I64Attr:$layer,
                       I64Attr:$kv_heads, I64Attr:$head_dim);
  let assemblyFormat = "$key `,` $value `,` $cache attr-dict `:` type($key) `,` type($cache)";
  let hasVerifier = 1;
}

def RT_AttendOp : RT_Op<"attend", [AllTypesMatch<["key", "value"]>]> {
  let summary = "attention over the cache: whole, or as the partials of its spans";
  let description = [{
    What is left of `llm.attention` behind `rt.store_kv`, with its formula. Positions are reduced in blocks of 64,
    counted from position 0: a block gives, for each row and head, m = max s_j, l = sum exp(s_j - m) and
    o = sum exp(s_j - m) V_j. The four blocks of a span of 256 positions are merged in ascending order (Milakov and
    Gimelshein 2018), then the spans:

      m' = max(m, m_b);  l' = l exp(m - m') + l_b exp(m_b - m');  o' = o exp(m - m') + o_b exp(m_b - m')

    Where the batch makes too few items for the workers, or too uneven ones, the items of costly sequences are runs of
    spans, whose triples go to `partials` for `rt.merge`; the rows of `result` are then not written. Row (row, span) of
    `partials` holds o of all heads, then m, then l of all heads. Where the work is done changes no bit.

    ```mlir
    %o, %p = rt.attend %q, %k, %v, %cache
        {layer = 0 : i64, heads = 8 : i64, kv_heads = 4 : i64, head_dim = 16 : i64, scale = 0.25 : f32}
      : (tensor<?x128xf32>, tensor<?x64xf32>, tensor<?x64xf32>, !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>)
      -> (tensor<?x128xf32>, tensor<2048x144xf32>)
    ```
  }];
  let arguments = (ins 2DTensorOf<[F32]>:$query, 2DTensorOf<[F32]>:$key, 2DTensorOf<[F32]>:$value, AnyType:$cache,
                       Optional<1DTensorOf<[F32]>>:$sinks, I64Attr:$layer, I64Attr:$heads, I64Attr:$kv_heads,
                       I64Attr:$head_dim, F32Attr:$scale, OptionalAttr<I64Attr>:$window, OptionalAttr<F32Attr>:$softcap);
  let results = (outs 2DTensorOf<[F32]>:$result, 2DTensorOf<[F32]>:$partials);
  let assemblyFormat = [{
    $query `,` $key `,` $value `,` $cache (`sinks` `(` $sinks^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def RT_MergeOp : RT_Op<"merge"> {
  let summary = "merges the spans of what rt.attend has split, in ascending order";
  let description = [{
    `attended` and `partials` are the results of an `rt.attend` of the same attributes. Where a sequence was split, each of
    its rows' spans are merged as `rt.attend` says and divided by l (plus exp(sink - m) with `sinks`); other rows of
    `attended` are the result as they are. The result takes the memory of `attended`.

    ```mlir
    %r = rt.merge %o, %p {heads = 8 : i64, kv_heads = 4 : i64, head_dim = 16 : i64}
      : (tensor<?x128xf32>, tensor<2048x144xf32>) -> tensor<?x128xf32>
    ```
  }];
  let arguments = (ins 2DTensorOf<[F32]>:$attended, 2DTensorOf<[F32]>:$partials, Optional<1DTensorOf<[F32]>>:$sinks,
                       I64Attr:$heads, I64Attr:$kv_heads, I64Attr:$head_dim, OptionalAttr<I64Attr>:$window);
  let results = (outs 2DTensorOf<[F32]>:$result);
  let assemblyFormat = [{
    $attended `,` $partials (`sinks` `(` $sinks^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def RT_ProgramOp : RT_Op<"program", [Symbol, SymbolTable, IsolatedFromAbove, SingleBlock, NoTerminator]> {
  let summary = "one step: buffers, weights, and the dispatches in order";
  let description = [{
    `arena` is the size of the arena, `private_bytes` that of a worker's private memory; `rt-plan-memory` sets both.
    `logits` is the name of the buffer with the result.

    ```mlir
    rt.program @step attributes {arena = array<i64: 512, 0, 0>, private_bytes = 0 : i64} {
      %h = rt.buffer "hidden" arena size [512, 0, 0] at [0, 0, 0] : tensor<?x128xf32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, OptionalAttr<DenseI64ArrayAttr>:$arena,
                       OptionalAttr<I64Attr>:$private_bytes);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let hasVerifier = 1;
}

def RT_BufferOp : RT_Op<"buffer", [HasParent<"ProgramOp">]> {
  let summary = "activations between dispatches";
  let description = [{
    `size` is [bytes a token, bytes a row of logits, bytes]; rows follow each other at `rt::rowBytes` (RT.h): for
    tensor<?xNxf32> 4 N bytes rounded up to 64. `offset` in the arena is of the same form. A buffer in `private` space
    has `private_offset` too: in steps of at most 16 tokens it lies in each worker's own memory.

    ```mlir
    %h = rt.buffer "hidden" arena size [512, 0, 0] : tensor<?x128xf32>
    ```
  }];
  let arguments = (ins StrAttr:$label, RT_SpaceAttr:$space, DenseI64ArrayAttr:$size,
                       OptionalAttr<DenseI64ArrayAttr>:$offset, OptionalAttr<I64Attr>:$private_offset);
  let results = (outs AnyType:$result);
  let assemblyFormat = [{
    $label $space `size` $size (`at` $offset^)? (`private_at` $private_offset^)? attr-dict `:` type($result)
  }];
  let hasVerifier = 1;
}

def RT_WeightOp : RT_Op<"weight", [Pure, HasParent<"ProgramOp">]> {
  let summary = "a weight of the artifact";
  let description = [{
    `llm.param` in a program: the store packs it as `source` and `recipe` say.

    ```mlir
    %w = rt.weight @"model.norm.weight" source(<f32>) : tensor<128xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$name, Lowbit_FormatAttr:$source,
                       DefaultValuedAttr<ArrayAttr, "{}">:$recipe);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$name `source` `(` $source `)` (`recipe` $recipe^)? attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def RT_CacheOp : RT_Op<"cache", [Pure, HasParent<"ProgramOp">]> {
  let summary = "the KV cache of one layer";
  let description = [{
    The cache itself is the runtime's; `layer` says which of its layers a dispatch reads and writes.

    ```mlir
    %c = rt.cache 1 : !llm.cache<layers = 2, kv_heads = 4, head_dim = 16>
    ```
  }];
  let arguments = (ins I64Attr:$layer);
  let results = (outs AnyType:$result);
  let assemblyFormat = "$layer attr-dict `:` type($result)";
}

def RT_DispatchOp : RT_Op<"dispatch", [AttrSizedOperandSegments, HasParent<"ProgramOp">,
                                       DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "runs a kernel on buffers, weights and caches";
  let description = [{
    A dispatch whose outputs are all private is run whole by every worker in a step of at most 16 tokens. `barrier` says
    when all workers must have finished what comes before: `shared` means only in larger steps.

    ```mlir
    rt.dispatch @linear_384x128 (%x, %w) -> (%y) barrier always
      : (!lowbit.rows<tokens x 128, f32>, !lowbit.packed<384x128, <bf16>, panel>) -> tensor<?x384xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyType>:$inputs, Variadic<AnyType>:$outputs,
                       RT_BarrierAttr:$barrier, OptionalAttr<StrAttr>:$label);
  let assemblyFormat = [{
    $kernel `(` $inputs `)` `->` `(` $outputs `)` `barrier` $barrier attr-dict
    `:` functional-type($inputs, $outputs)
  }];
}

#endif // NIBBLE_DIALECTS_RT_OPS
