//===- Passes.td - Passes that stay inside the rt dialect --------------------------------------*- tablegen -*-===//
#ifndef NIBBLE_DIALECTS_RT_PASSES
#define NIBBLE_DIALECTS_RT_PASSES

include "mlir/Pass/PassBase.td"

def PlaceBarriersPass : Pass<"rt-place-barriers", "::nibble::rt::ProgramOp"> {
  let summary = "the fewest barriers between dispatches that keep every reader behind its writer";
  let description = [{
    Walks the dispatches in order. One that reads or writes an arena buffer, or the cache of a layer, which a dispatch
    since the last `always` barrier writes, gets `always`. One that only reads private buffers written since the last
    barrier of either kind gets `shared`: in a step of at most 16 tokens every worker has made its own copy. All others
    get `never`; what was there is overwritten.

    Precondition: every buffer has memory of its own, or shares it as `rt-plan-memory` does.

    ```mlir
    rt.dispatch @rows(%h) -> (%r) barrier always : ...      // %h was just written
    rt.dispatch @linear_q(%r, %wq) -> (%q) barrier shared : ...
    rt.dispatch @linear_k(%r, %wk) -> (%k) barrier never : ...
    ```
  }];
}

def PlanMemoryPass : Pass<"rt-plan-memory", "::nibble::rt::ProgramOp"> {
  let summary = "offsets of buffers in one arena, linear in the token budget and the row budget";
  let description = [{
    Buffers of rows for each token lie before those for each row of logits, and these before those of a fixed size, each
    group in an address space of its own whose unit is the byte a row (the byte), so that no budget makes two buffers
    overlap. Dispatches between two `always`
    barriers run at the same time: a buffer takes over memory only from buffers whose last use lies before the
    `always` barrier that precedes its first. Private buffers have a second place in the private memory of a worker, for
    16 rows; there a worker's own order of dispatches is enough. The largest buffer is placed first, each at the lowest
    free offset. The buffer named "logits" is never reused. Offsets are multiples of 64.

    Precondition: `rt-place-barriers` (or barriers at least as strong).

    ```mlir
    rt.program @step { %h = rt.buffer "hidden" arena size [512, 0, 0] : tensor<?x128xf32> ... }
    // becomes
    rt.program @step attributes {arena = array<i64: 512, 0, 0>, private_bytes = 0 : i64} {
      %h = rt.buffer "hidden" arena size [512, 0, 0] at [0, 0, 0] : tensor<?x128xf32> ...
    }
    ```
  }];
}

#endif // NIBBLE_DIALECTS_RT_PASSES
