// RUN: nibble-opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{the body does not end in rt.yield}}
rt.kernel @no_yield() attributes {family = #rt.family<embed>} {
  %ids = rt.batch token_id : tensor<?xi32>
}

// -----

// expected-error@+1 {{the body does not end in rt.yield}}
"rt.kernel"() <{sym_name = "empty", function_type = () -> (), family = #rt.family<rows>}> ({
^bb0:
}) : () -> ()

// -----

rt.kernel @results(%x: tensor<?x64xf32>) -> tensor<?x32xf32> attributes {family = #rt.family<rows>} {
  // expected-error@+1 {{yields other types than the kernel's results}}
  rt.yield %x : tensor<?x64xf32>
}

// -----

// expected-error@+1 {{arena is [bytes a token, bytes a row of logits, bytes], none negative}}
rt.program @arena attributes {arena = array<i64: 512, 0>} {
}

// -----

rt.program @size {
  // expected-error@+1 {{size is [bytes a token, bytes a row of logits, bytes], none negative}}
  %x = rt.buffer "x" arena size [512] : tensor<?x128xf32>
}

// -----

rt.program @offset {
  // expected-error@+1 {{offset is [bytes a token, bytes a row of logits, bytes], none negative}}
  %x = rt.buffer "x" arena size [512, 0, 0] at [-64, 0, 0] : tensor<?x128xf32>
}

// -----

rt.program @private_offset {
  // expected-error@+1 {{only a private buffer has a private offset}}
  %x = rt.buffer "x" arena size [512, 0, 0] private_at 0 : tensor<?x128xf32>
}

// -----

rt.program @weight {
  // expected-error@+1 {{the recipe ends in format #lowbit.format<bf16> and layout rows, the type is '!lowbit.packed<16x64, <bf16>, panel>'}}
  %w = rt.weight @w source(<bf16>) : !lowbit.packed<16x64, <bf16>, panel>
}

// -----

// expected-error@+1 {{'rt.buffer' op expects parent op 'rt.program'}}
%x = rt.buffer "x" arena size [512, 0, 0] : tensor<?x128xf32>

// -----

// expected-error@+1 {{'rt.dispatch' op expects parent op 'rt.program'}}
rt.dispatch @k() -> () barrier never : () -> ()

// -----

rt.program @missing {
  // expected-error@+1 {{no kernel @rows}}
  rt.dispatch @rows() -> () barrier never : () -> ()
}

// -----

func.func private @rows()
rt.program @no_kernel {
  // expected-error@+1 {{no kernel @rows}}
  rt.dispatch @rows() -> () barrier never : () -> ()
}

// -----

rt.kernel @copy(%x: tensor<?x64xf32>) -> tensor<?x64xf32> attributes {family = #rt.family<rows>} {
  rt.yield %x : tensor<?x64xf32>
}
rt.program @types {
  %x = rt.buffer "x" arena size [128, 0, 0] : tensor<?x32xf32>
  // expected-error@+1 {{passes other types than @copy takes}}
  rt.dispatch @copy(%x) -> (%x) barrier never : (tensor<?x32xf32>) -> tensor<?x32xf32>
}
