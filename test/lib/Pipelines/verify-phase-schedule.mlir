// RUN: nibble-opt %s --nibble-verify-phase=phase=schedule --split-input-file --verify-diagnostics

rt.kernel @copy(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {family = #rt.family<rows>} {
  rt.yield %x : tensor<?x64xf32>
}
rt.program @good attributes {arena = array<i64: 512, 0, 0>, private_bytes = 0 : i64} {
  %x = rt.buffer "x" arena size [256, 0, 0] at [0, 0, 0] : tensor<?x64xf32>
  %y = rt.buffer "y" arena size [256, 0, 0] at [256, 0, 0] : tensor<?x64xf32>
  rt.dispatch @copy(%x) -> (%y) barrier never : (tensor<?x64xf32>) -> tensor<?x64xf32>
}

// -----

// expected-error@+1 {{expected one program after the phase schedule, found 0}}
module {
}

// -----

// expected-error@+1 {{is left beside kernels and the program after the phase schedule}}
func.func private @step()
rt.program @p attributes {arena = array<i64: 512, 0, 0>, private_bytes = 0 : i64} {
}

// -----

// expected-error@+1 {{has no memory plan after the phase schedule}}
rt.program @p {
}

// -----

rt.program @p attributes {arena = array<i64: 512, 0, 0>, private_bytes = 0 : i64} {
  // expected-error@+1 {{has no place in memory after the phase schedule}}
  %x = rt.buffer "x" private size [256, 0, 0] at [0, 0, 0] : tensor<?x64xf32>
}
