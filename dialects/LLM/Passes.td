//===- Passes.td - Passes that stay inside the llm dialect -------------------------------------*- tablegen -*-===//
#ifndef NIBBLE_DIALECTS_LLM_PASSES
#define NIBBLE_DIALECTS_LLM_PASSES

include "mlir/Pass/PassBase.td"

def ShareAnglesPass : Pass<"llm-share-angles", "::mlir::ModuleOp"> {
  let summary = "angles of rotary embedding are computed once a step";
  let description = [{
    Every layer turns its queries and keys by the same angles. Each `llm.rope` becomes an `llm.rotate` by an `llm.angles`
    that stands right behind its positions and that all ropes of the same positions, frequencies and attention factor
    share. No number changes: the rope's cosines and sines are those of the angles, rounded to f32.

    ```mlir
    %y = llm.rope %x, %p {head_dim = 4 : i64, inverse_frequencies = array<f32: 1.0, 0.1>} : tensor<?x8xf32>, tensor<?xi32>
    // becomes
    %a = llm.angles %p {inverse_frequencies = array<f32: 1.0, 0.1>} : tensor<?xi32> -> tensor<?x4xf32>
    %y = llm.rotate %x, %a {head_dim = 4 : i64} : tensor<?x8xf32>, tensor<?x4xf32>
    ```
  }];
}

#endif // NIBBLE_DIALECTS_LLM_PASSES
