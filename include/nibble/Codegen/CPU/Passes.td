//===- Passes.td - From rt.kernel to vectors ----------------------------------------------------*- tablegen -*-===//
#ifndef NIBBLE_CODEGEN_CPU_PASSES
#define NIBBLE_CODEGEN_CPU_PASSES

include "mlir/Pass/PassBase.td"

def RTToVectorPass : Pass<"rt-to-vector", "::mlir::ModuleOp"> {
  let summary = "emits every rt.kernel as loops over vectors for one CPU target";
  let description = [{
    Each `rt.kernel` becomes two functions of include/nibble/runtime/KernelABI.h, `NAME` and `NAME_items`, in scf, vector, arith,
    math and `lowbit.dot4`, on llvm pointers. A kernel that reads the KV cache becomes a pair for each type of cache:
    `NAME.f32`, `NAME.f16`, `NAME.bf16`, `NAME.int8`. The function's attribute `nibble.scratch` is the scratch memory in bytes that a worker
    needs. The program is dropped.

    ```mlir
    rt.kernel @norm(%x: tensor<?x128xf32>) -> !lowbit.rows<tokens x 128, f32> ...
    // becomes
    func.func @norm(%batch: !llvm.ptr, %operands: !llvm.ptr, %begin: i32, %end: i32, %scratch: !llvm.ptr) ...
    func.func @norm_items(%batch: !llvm.ptr) -> i32 ...
    ```
  }];
  let options = [Option<"target", "target", "std::string", "\"x86-64-v3\"",
                        "CPU target: x86-64-v3, avx512-vnni, ..., or native">,
                 Option<"tuneFor", "tune-for", "std::string", "\"\"",
                        "kind of CPU whose speed decides tiles: znver4, cascadelake, ...">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
                           "::nibble::lowbit::LowbitDialect"];
}

def AddProbesPass : Pass<"rt-add-probes", "::mlir::ModuleOp"> {
  let summary = "adds the kernels that measure the machine";
  let description = [{
    Three functions of include/nibble/runtime/ProbeABI.h, whose signature is that of kernels: `probe_read` reads memory in full
    vectors, `probe_dot4` and `probe_fma` do independent `lowbit.dot4` (`lowbit.dot_tile` where there are matrix tiles) and
    multiply-adds in registers. What they reach is what
    the kernels beside them could reach at most.

    ```mlir
    func.func @probe_read(%batch: !llvm.ptr, %operands: !llvm.ptr, %begin: i32, %end: i32, %scratch: !llvm.ptr) ...
    func.func @probe_read_items(%batch: !llvm.ptr) -> i32 ...
    ```
  }];
  let options = [Option<"target", "target", "std::string", "\"x86-64-v3\"",
                        "CPU target: x86-64-v3, avx512-vnni, or native">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
                           "::nibble::lowbit::LowbitDialect"];
}

def LowbitLegalizeDot4Pass : Pass<"lowbit-legalize-dot4"> {
  let summary = "turns lowbit.dot4 into the instructions that a CPU target has";
  let description = [{
    * VNNI: `vpdpbusd`.
    * AVX2 and AVX-512 without VNNI, unsigned side at most 127: `pmaddubsw` and `pmaddwd` with ones; products of one
      accumulator are added as i16 first, eight of nibbles (8 x 2 x 15 x 128 = 30720 does not saturate).
    * NEON alone, unsigned side at most 127: `smull`, products added as i16 likewise, then pairwise sums; wider bytes
      go through a - 128, which is signed.
    * dotprod: `sdot`; bytes above 127 through a - 128. i8mm: `usdot`.
    * otherwise even and odd bytes widened to i16 and multiplied by `pmaddwd`: exact for every byte.

    A product is as wide as a vector of the target at most, and 128 bits at least.

    ```mlir
    %r = lowbit.dot4 %acc, %a, %b : vector<16xi32>, vector<64xi8>
    // becomes, with target=avx512-vnni
    %r = llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%acc, %a, %b) : ...
    ```
  }];
  let options = [Option<"target", "target", "std::string", "\"x86-64-v3\"",
                        "CPU target: x86-64-v3, avx512-vnni, ..., or native">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::vector::VectorDialect"];
}

def LowbitLegalizeDot2Pass : Pass<"lowbit-legalize-dot2"> {
  let summary = "turns lowbit.dot2 into vdpbf16ps";
  let description = [{
    Two products of bf16 a lane and their sum, in one instruction. An error on CPU targets without it, whose kernels widen
    bf16 to f32 and use multiply-adds.

    ```mlir
    %r = lowbit.dot2 %acc, %a, %b : vector<16xf32>, vector<32xbf16>
    // becomes
    %r = llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"(%acc, %a, %b) : ...
    ```
  }];
  let options = [Option<"target", "target", "std::string", "\"avx512-bf16\"",
                        "CPU target: avx512-bf16, ..., or native">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def LowbitLegalizeTilesPass : Pass<"lowbit-legalize-tiles"> {
  let summary = "turns lowbit.dot_tile and lowbit.dot_tile_bf16 into instructions of AMX";
  let description = [{
    Codes and sources are loaded into tiles, multiplied (`tdpbssd`; unsigned codes `tdpbsud`) and the sums stored. With bf16 the
    sums stay in tiles in a loop over all columns (`tdpbf16ps`). LLVM allots tile registers and configures them, once in a
    function. An error on CPU targets without tiles.

    ```mlir
    lowbit.dot_tile %codes, (%x) into %sums {rows = 8 : i32, columns = 32 : i32}
    // becomes
    %c = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"(%8, %64, %codes, ...) : (...) -> !llvm.x86_amx
    %a = llvm.call_intrinsic "llvm.x86.tileloadd64.internal"(%8, %32, %x, ...) : (...) -> !llvm.x86_amx
    %0 = llvm.call_intrinsic "llvm.x86.tilezero.internal"(%8, %64) : (...) -> !llvm.x86_amx
    %s = llvm.call_intrinsic "llvm.x86.tdpbssd.internal"(%8, %64, %32, %0, %a, %c) : (...) -> !llvm.x86_amx
    llvm.call_intrinsic "llvm.x86.tilestored64.internal"(%8, %64, %sums, ..., %s) : (...) -> ()
    ```
  }];
  let options = [Option<"target", "target", "std::string", "\"amx\"", "CPU target: amx, or native">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect", "::mlir::scf::SCFDialect"];
}

def LowbitLegalizeLookupPass : Pass<"lowbit-legalize-lookup"> {
  let summary = "turns lowbit.lookup into the byte shuffle of a CPU target";
  let description = [{
    `pshufb` on vectors of 128, 256 and 512 bits. Without it (x86-64 before SSSE3) and for other sizes, one comparison and
    selection for each of the table's entries.

    ```mlir
    %r = lowbit.lookup %codes in [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] : vector<64xi8>
    // becomes, with target=avx512-vnni
    %t = arith.constant dense<[0, 1, 2, ...]> : vector<64xi8>
    %r = llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"(%t, %codes) : ...
    ```
  }];
  let options = [Option<"target", "target", "std::string", "\"x86-64-v3\"",
                        "CPU target: x86-64-v3, avx512-vnni, or native">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect"];
}

def NibbleExpandMathPass : Pass<"nibble-expand-math"> {
  let summary = "replaces exp, tanh, sin and cos on f32 by polynomials";
  let description = [{
    Kernels call nothing, so functions of f32 scalars and vectors become arithmetic: `math.exp` within 2 ulp, its
    results subnormal below -87.33, 0 below -104, infinite above 88.73; with `fastmath<afn>`, for arguments up to 88, half
    the work, results below -86.5 those of -86.5; `math.tanh` by exp, and by a polynomial near 0;
    `math.sin` and `math.cos` with a range reduction in f64 that is exact for every position a model has (angles below
    2^30). Results are the same for every vector width.

    ```mlir
    %y = math.tanh %x : vector<8xf32>
    // becomes
    %m = math.absf %x : vector<8xf32>
    %z = arith.mulf %x, %x : vector<8xf32>
    ...
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::vector::VectorDialect"];
}

def NibbleExpandFloatsPass : Pass<"nibble-expand-floats"> {
  let summary = "replaces floating-point operations that a CPU target lacks";
  let description = [{
    What LLVM would make a call of becomes integer and f32 arithmetic that gives the same bits: conversions of f16 without
    F16C, of bf16 everywhere, `math.roundeven` without SSE4.1. Without FMA, multiply-adds become a product and a sum.

    ```mlir
    %y = arith.extf %x : vector<8xbf16> to vector<8xf32>
    // becomes
    %b = arith.bitcast %x : vector<8xbf16> to vector<8xi16>
    %w = arith.extui %b : vector<8xi16> to vector<8xi32>
    %s = arith.shli %w, %sixteen : vector<8xi32>
    %y = arith.bitcast %s : vector<8xi32> to vector<8xf32>
    ```
  }];
  let options = [Option<"target", "target", "std::string", "\"x86-64-v3\"",
                        "CPU target: x86-64-v3, avx512-vnni, ..., or native">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::vector::VectorDialect"];
}

#endif // NIBBLE_CODEGEN_CPU_PASSES
