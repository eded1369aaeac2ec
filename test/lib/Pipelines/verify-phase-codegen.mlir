// RUN: nibble-opt %s --nibble-verify-phase=phase=codegen --split-input-file --verify-diagnostics

module {
  rt.kernel @copy(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {family = #rt.family<rows>} {
    rt.yield %x : tensor<?x64xf32>
  }
  rt.program @good attributes {arena = array<i64: 512, 0, 0>, private_bytes = 0 : i64} {
    %x = rt.buffer "x" arena size [256, 0, 0] at [0, 0, 0] : tensor<?x64xf32>
    %y = rt.buffer "y" arena size [256, 0, 0] at [256, 0, 0] : tensor<?x64xf32>
    rt.dispatch @copy(%x) -> (%y) barrier never : (tensor<?x64xf32>) -> tensor<?x64xf32>
  }
  module @"x86-64-v3" {
    llvm.func @copy() {
      llvm.return
    }
    llvm.func @copy_items() {
      llvm.return
    }
  }
}

// -----

// expected-error@+1 {{has code for no target after the phase codegen}}
module {
  rt.program @p attributes {arena = array<i64: 512, 0, 0>, private_bytes = 0 : i64} {
  }
}

// -----

// expected-error@+1 {{expected one program after the phase codegen, found 0}}
module {
  module @"x86-64-v3" {
  }
}

// -----

module {
  rt.program @p attributes {arena = array<i64: 512, 0, 0>, private_bytes = 0 : i64} {
  }
  module @"x86-64-v3" {
    // expected-error@+1 {{is left after the phase codegen}}
    func.func private @f()
  }
}

// -----

module {
  rt.program @p attributes {arena = array<i64: 512, 0, 0>, private_bytes = 0 : i64} {
  }
  module @"x86-64-v3" {
    // expected-error@+1 {{is declared and not defined; kernels call nothing after the phase codegen}}
    llvm.func @memset(!llvm.ptr)
  }
}

// -----

module {
  rt.kernel @copy(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {family = #rt.family<rows>} {
    rt.yield %x : tensor<?x64xf32>
  }
  rt.program @p attributes {arena = array<i64: 512, 0, 0>, private_bytes = 0 : i64} {
  }
  // expected-error@+1 {{has no function "copy_items" after the phase codegen}}
  module @"x86-64-v3" {
    llvm.func @copy() {
      llvm.return
    }
  }
}
