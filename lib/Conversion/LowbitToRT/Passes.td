//===- Passes.td - From a fused model to kernels and dispatches --------------------------------*- tablegen -*-===//
#ifndef NIBBLE_CONVERSION_LOWBITTORT_PASSES
#define NIBBLE_CONVERSION_LOWBITTORT_PASSES

include "mlir/Pass/PassBase.td"

def SchedulePass : Pass<"rt-schedule", "::mlir::ModuleOp"> {
  let summary = "outlines the model into rt.kernel, one for each different body, and an rt.program";
  let description = [{
    The module's one function, (ids, positions, rows, cache) -> logits, becomes a program of the same name. Each
    `llm.embed`, `lowbit.quantize_rows` and `lowbit.linear` becomes a dispatch; `llm.attention` becomes one together with
    the rope and norms of its query and key. Ops of the same body share a kernel: the layer of the cache is an operand,
    and `layer` is 0 inside. Rows are private buffers, all else lies in the arena; weights are `rt.weight`. Ids, positions
    and rows are read from the batch, inside kernels.

    A kernel takes the operands of its op in order; that of attention: query, key and value before norm and
    rope, cache, sinks, then the gains of the norms of query and key.

    Precondition: the fuse phase. Follow with `rt-place-barriers` and `rt-plan-memory`.

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
