//===- Passes.td - Passes about whole phases ---------------------------------------------------*- tablegen -*-===//
#ifndef NIBBLE_PIPELINES_PASSES
#define NIBBLE_PIPELINES_PASSES

include "mlir/Pass/PassBase.td"

def VerifyPhasePass : Pass<"nibble-verify-phase", "::mlir::ModuleOp"> {
  let summary = "checks that a module is in the state in which a phase ends";
  let description = [{
    In every phase: no dense attribute over 1 KiB, no resources: weights are never in the IR.

    * `import`: only `llm`, `tensor`, `arith`, `func` ops; shapes static but for the number of rows; the weight of every
      linear, head and embedding is an `llm.param` without a format.
    * `quantize`: each of these weights has a format; a linear reads it through `lowbit.dequantize` and says in which
      precision it reads its activations, int8 only with integer weights.
    * `fuse`: no linear, gate or dequantization is left outside of `lowbit.linear`; scalar arithmetic only in epilogues;
      weights lie in panels.
    * `schedule`: only kernels and one program, whose every buffer has its place; a barrier between every writer and its
      readers; no memory shared by buffers that are in use at the same time, in steps of few tokens or of many.
    * `codegen`: the same, and for each target a module of its name, in the LLVM dialect, that defines the functions of
      every kernel and calls nothing that it does not define.

    ```mlir
    // nibble-opt --nibble-verify-phase=phase=quantize
    %y = llm.linear %x, %w : ...   // error: 'llm.linear' op has a weight without a format after the phase quantize
    ```
  }];
  let options = [Option<"phase", "phase", "std::string", "", "import, quantize, fuse, schedule or codegen">];
}

#endif // NIBBLE_PIPELINES_PASSES
