// RUN: nibble-opt %s --no-implicit-module --verify-diagnostics

// Kernels lie beside the program; here there is no beside.
rt.program @alone {
  // expected-error@+1 {{no kernel @rows}}
  rt.dispatch @rows() -> () barrier never : () -> ()
}
