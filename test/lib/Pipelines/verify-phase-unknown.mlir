// RUN: nibble-opt %s --nibble-verify-phase=phase=link --verify-diagnostics

// expected-error@+1 {{"link" is no phase that can be verified; expected import, quantize, fuse, schedule or codegen}}
module {
}
