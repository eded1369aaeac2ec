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

// -----

// %r is private: in small steps no barrier is needed, in large ones one is.
rt.kernel @rows(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {family = #rt.family<rows>} {
  rt.yield %x : tensor<?x64xf32>
}
rt.program @shared attributes {arena = array<i64: 768, 0, 0>, private_bytes = 4096 : i64} {
  %x = rt.buffer "x" arena size [256, 0, 0] at [0, 0, 0] : tensor<?x64xf32>
  %r = rt.buffer "r" private size [256, 0, 0] at [256, 0, 0] private_at 0 : tensor<?x64xf32>
  %y = rt.buffer "y" arena size [256, 0, 0] at [512, 0, 0] : tensor<?x64xf32>
  rt.dispatch @rows(%x) -> (%r) barrier never : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // expected-error@+1 {{has no barrier between it and the dispatch that wrote its operand "r"}}
  rt.dispatch @rows(%r) -> (%y) barrier never : (tensor<?x64xf32>) -> tensor<?x64xf32>
}

// -----

// A shared barrier is none in small steps, and the arena is shared in these too.
rt.kernel @rows(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {family = #rt.family<rows>} {
  rt.yield %x : tensor<?x64xf32>
}
rt.program @always attributes {arena = array<i64: 768, 0, 0>, private_bytes = 0 : i64} {
  %x = rt.buffer "x" arena size [256, 0, 0] at [0, 0, 0] : tensor<?x64xf32>
  %r = rt.buffer "r" arena size [256, 0, 0] at [256, 0, 0] : tensor<?x64xf32>
  %y = rt.buffer "y" arena size [256, 0, 0] at [512, 0, 0] : tensor<?x64xf32>
  rt.dispatch @rows(%x) -> (%r) barrier never : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // expected-error@+1 {{has no barrier between it and the dispatch that wrote its operand "r"}}
  rt.dispatch @rows(%r) -> (%y) barrier shared : (tensor<?x64xf32>) -> tensor<?x64xf32>
}

// -----

!c = !llm.cache<layers = 2, kv_heads = 1, head_dim = 64>
rt.kernel @cache(%x: tensor<?x64xf32>, %c: !c) -> tensor<?x64xf32> attributes {family = #rt.family<rows>} {
  rt.yield %x : tensor<?x64xf32>
}
rt.program @cache_of_a_layer attributes {arena = array<i64: 768, 0, 0>, private_bytes = 0 : i64} {
  %x = rt.buffer "x" arena size [256, 0, 0] at [0, 0, 0] : tensor<?x64xf32>
  %r = rt.buffer "r" arena size [256, 0, 0] at [256, 0, 0] : tensor<?x64xf32>
  %y = rt.buffer "y" arena size [256, 0, 0] at [512, 0, 0] : tensor<?x64xf32>
  %c = rt.cache 1 : !c
  %d = rt.cache 1 : !c
  rt.dispatch @cache(%x, %c) -> (%r) barrier never : (tensor<?x64xf32>, !c) -> tensor<?x64xf32>
  // expected-error@+1 {{has no barrier between it and the dispatch that wrote its operand of the cache}}
  rt.dispatch @cache(%x, %d) -> (%y) barrier never : (tensor<?x64xf32>, !c) -> tensor<?x64xf32>
}

// -----

// %z is written while other workers may still read %x: no barrier keeps them apart.
rt.kernel @rows(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {family = #rt.family<rows>} {
  rt.yield %x : tensor<?x64xf32>
}
rt.program @reuse attributes {arena = array<i64: 768, 0, 0>, private_bytes = 0 : i64} {
  %x = rt.buffer "x" arena size [256, 0, 0] at [0, 0, 0] : tensor<?x64xf32>
  %w = rt.buffer "w" arena size [256, 0, 0] at [512, 0, 0] : tensor<?x64xf32>
  %y = rt.buffer "y" arena size [256, 0, 0] at [256, 0, 0] : tensor<?x64xf32>
  // expected-error@+1 {{"z" shares the arena's memory with "x" while both are in use}}
  %z = rt.buffer "z" arena size [256, 0, 0] at [192, 0, 0] : tensor<?x64xf32>
  rt.dispatch @rows(%x) -> (%y) barrier never : (tensor<?x64xf32>) -> tensor<?x64xf32>
  rt.dispatch @rows(%w) -> (%z) barrier never : (tensor<?x64xf32>) -> tensor<?x64xf32>
}

// -----

// One row of 256 bytes takes 4096 bytes of private memory.
rt.kernel @rows(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>) attributes {family = #rt.family<rows>} {
  rt.yield %x, %x : tensor<?x64xf32>, tensor<?x64xf32>
}
rt.program @private attributes {arena = array<i64: 768, 0, 0>, private_bytes = 8192 : i64} {
  %x = rt.buffer "x" arena size [256, 0, 0] at [0, 0, 0] : tensor<?x64xf32>
  %y = rt.buffer "y" private size [256, 0, 0] at [256, 0, 0] private_at 0 : tensor<?x64xf32>
  // expected-error@+1 {{"z" shares private memory with "y" while both are in use}}
  %z = rt.buffer "z" private size [256, 0, 0] at [512, 0, 0] private_at 4032 : tensor<?x64xf32>
  rt.dispatch @rows(%x) -> (%y, %z) barrier never : (tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>)
}
