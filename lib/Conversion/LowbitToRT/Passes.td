//===- Passes.td - From a fused model to kernels and dispatches --------------------------------*- tablegen -*-===//
#ifndef NIBBLE_CONVERSION_LOWBITTORT_PASSES
#define NIBBLE_CONVERSION_LOWBITTORT_PASSES

include "mlir/Pass/PassBase.td"

def SplitAttentionPass : Pass<"rt-split-attention", "::mlir::ModuleOp"> {
  let summary = "llm.attention as the three dispatches in which it runs";
  let description = [{
    `llm.attention` stores K and V, reduces the cache in blocks, and merges what was reduced apart. Each part becomes an
    op, so that barriers can come between them: `rt.store_kv` has no items in steps of at most 16 tokens, `rt.merge` none
    where the batch is not split, and a dispatch without items takes no barrier.

    ```mlir
    %o = llm.attention %q, %k, %v, %c {layer = 0 : i64, heads = 8 : i64, scale = 0.25 : f32} : ...
    // becomes
    rt.store_kv %k, %v, %c {layer = 0 : i64, kv_heads = 4 : i64, head_dim = 16 : i64} : ...
    %a, %p = rt.attend %q, %k, %v, %c {layer = 0 : i64, heads = 8 : i64, kv_heads = 4 : i64, head_dim = 16 : i64, scale = 0.25 : f32} : ...
    %o = rt.merge %a, %p {heads = 8 : i64, kv_heads = 4 : i64, head_dim = 16 : i64} : ...
    ```
  }];
  let dependentDialects = ["::nibble::rt::RTDialect"];
}

def SchedulePass : Pass<"rt-schedule", "::mlir::ModuleOp"> {
  let summary = "outlines the model into rt.kernel, one for each different body, and an rt.program";
  let description = [{
    The module's one function, (ids, positions, rows, cache) -> logits, becomes a program of the same name. Each
    `llm.embed`, `llm.angles`, `lowbit.quantize_rows` and `lowbit.linear` becomes a dispatch; so do the three ops of an
    attention (`rt-split-attention`), together with the rotation and norms of query and key. Ops of the same body share a
    kernel: the layer of the cache is an operand, and `layer` is 0 inside. The result of `rt.merge` is the buffer into
    which it merges. Rows are private buffers, all else lies in the arena; weights are `rt.weight`. Ids, positions
    and rows are read from the batch, inside kernels.

    A kernel takes the operands of its op in order, query and key before norm and rotation; then what norms and
    rotations read: gains and angles.

    Precondition: the fuse phase and `rt-split-attention`. Follow with `rt-place-barriers` and `rt-plan-memory`.

    ```mlir
    %y = lowbit.linear %r, (%w) : ... { ... }
    // becomes
    rt.kernel @linear_64x128_int8-g32_int8(%r: ..., %w: ...) -> tensor<?x64xf32> attributes {family = #rt.family<linear>} { ... }
    rt.program @step {
      %w = rt.weight @w ...
      %y = rt.buffer "w" arena size [256, 0, 0] : tensor<?x64xf32>
      rt.dispatch @linear_64x128_int8-g32_int8(%r, %w) -> (%y) barrier never {label = "w"} : ...
    }
    ```
  }];
  let dependentDialects = ["::nibble::rt::RTDialect"];
}

#endif // NIBBLE_CONVERSION_LOWBITTORT_PASSES
