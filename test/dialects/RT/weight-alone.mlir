// RUN: nibble-opt %s | FileCheck %s

// A module without any other use of lowbit: the format's dialect must have been loaded.
// CHECK: rt.weight @w source(<bf16>) : tensor<64xf32>
rt.program @p {
  %w = rt.weight @w source(<bf16>) : tensor<64xf32>
}
