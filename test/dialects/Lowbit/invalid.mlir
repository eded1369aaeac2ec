// RUN: nibble-opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{'int5' is not an element (f32, f16, bf16, int4, int8, nf4, fp4, e2m1, iq4)}}
#format = #lowbit.format<int5, group = 32, scale = f16, zero = none>

// -----

// expected-error@+1 {{scales are f16, found 'f32'}}
#format = #lowbit.format<int4, group = 32, scale = f32, zero = none>

// -----

// expected-error@+1 {{'half' is not a zero point (none, int, min)}}
#format = #lowbit.format<int4, group = 32, scale = f16, zero = half>

// -----

// expected-error@+1 {{a float format has neither groups nor zero points}}
#format = #lowbit.format<bf16, group = 32, scale = f16, zero = none>

// -----

// expected-error@+1 {{a group is 32, 64 or 128 columns, or 0 for the whole row; found 48}}
#format = #lowbit.format<int4, group = 48, scale = f16, zero = none>

// -----

// expected-error@+1 {{a codebook has no zero points}}
#format = #lowbit.format<nf4, group = 64, scale = f16, zero = int>

// -----

// expected-error@+1 {{rows are un-permuted within a positive number of heads, found 0}}
#step = #lowbit.unpermute_rows<heads = 0>

// -----

// expected-error@+1 {{a packed weight has two dimensions, found 3}}
func.func private @dimensions(!lowbit.packed<2x16x64, <bf16>>)

// -----

// expected-error@+1 {{a packed weight has positive dimensions, found 16x0}}
func.func private @empty(!lowbit.packed<16x0, <bf16>>)

// -----

// expected-error@+1 {{'columns' is not a layout (rows, panel)}}
func.func private @layout(!lowbit.packed<16x64, <bf16>, columns>)

// -----

// expected-error@+1 {{'pages' is not a number of rows (tokens, logits)}}
func.func private @count(!lowbit.rows<pages x 64, f32>)

// -----

// expected-error@+1 {{'int4' is not a precision of rows (f32, bf16, int8, int16)}}
func.func private @precision(!lowbit.rows<tokens x 64, int4>)

// -----

// expected-error@+1 {{rows have a positive number of columns, found 0}}
func.func private @columns(!lowbit.rows<tokens x 0, f32>)

// -----

// expected-error@+1 {{only integer rows have biases and sums}}
func.func private @float_biases(!lowbit.rows<tokens x 64, f32, bias = [8]>)

// -----

// expected-error@+1 {{only integer rows have biases and sums}}
func.func private @float_sums(!lowbit.rows<tokens x 64, f32, sums>)

// -----

// expected-error@+1 {{integer rows need the biases of the weights that read them}}
func.func private @no_biases(!lowbit.rows<tokens x 64, int8>)

// -----

// expected-error@+1 {{biases are in ascending order, each once}}
func.func private @order(!lowbit.rows<tokens x 64, int8, bias = [128, 8]>)

// -----

// expected-error@+1 {{biases are in ascending order, each once}}
func.func private @twice(!lowbit.rows<tokens x 64, int8, bias = [8, 8]>)

// -----

func.func @quantize_shape(%w: tensor<16x32xf32>) {
  // expected-error@+1 {{the shapes of '!lowbit.packed<16x64, <int8, group = 32, scale = f16, zero = none>>' and 'tensor<16x32xf32>' differ}}
  %q = lowbit.quantize %w : tensor<16x32xf32> -> !lowbit.packed<16x64, <int8, group = 32, scale = f16, zero = none>>
  return
}

// -----

func.func @quantize_float(%w: tensor<16x64xf32>) {
  // expected-error@+1 {{finds codes, and #lowbit.format<bf16> has none}}
  %q = lowbit.quantize %w : tensor<16x64xf32> -> !lowbit.packed<16x64, <bf16>>
  return
}

// -----

func.func @dequantize_shape(%w: !lowbit.packed<16x64, <bf16>>) {
  // expected-error@+1 {{the shapes of '!lowbit.packed<16x64, <bf16>>' and 'tensor<64x16xf32>' differ}}
  %d = lowbit.dequantize %w : !lowbit.packed<16x64, <bf16>> -> tensor<64x16xf32>
  return
}

// -----

func.func @repack_shape(%w: !lowbit.packed<16x64, <bf16>>) {
  // expected-error@+1 {{changes the shape from '!lowbit.packed<16x64, <bf16>>' to '!lowbit.packed<64x16, <bf16>, panel>'}}
  %p = lowbit.repack %w : !lowbit.packed<16x64, <bf16>> -> !lowbit.packed<64x16, <bf16>, panel>
  return
}

// -----

func.func @repack_format(%w: !lowbit.packed<16x64, <bf16>>) {
  // expected-error@+1 {{changes the format from '!lowbit.packed<16x64, <bf16>>' to '!lowbit.packed<16x64, <f16>>'; lowbit.quantize does that}}
  %p = lowbit.repack %w : !lowbit.packed<16x64, <bf16>> -> !lowbit.packed<16x64, <f16>>
  return
}

// -----

func.func @rows_columns(%x: tensor<?x64xf32>) {
  // expected-error@+1 {{reads rows of 64 columns and yields '!lowbit.rows<tokens x 32, f32>'}}
  %r = lowbit.quantize_rows %x : tensor<?x64xf32> -> !lowbit.rows<tokens x 32, f32>
  return
}

// -----

func.func @rows_residual(%x: tensor<?x64xf32>, %y: tensor<?x32xf32>) {
  // expected-error@+1 {{residual is 'tensor<?x32xf32>', the input 'tensor<?x64xf32>'}}
  %r = lowbit.quantize_rows %x residual(%y : tensor<?x32xf32>) : tensor<?x64xf32> -> !lowbit.rows<tokens x 64, f32>
  return
}

// -----

func.func @rows_norm(%x: tensor<?x64xf32>, %g: tensor<32xf32>) {
  // expected-error@+1 {{norm has 32 gains for 64 columns}}
  %r = lowbit.quantize_rows %x norm(%g : tensor<32xf32>) {eps = 1.0e-5 : f32}
      : tensor<?x64xf32> -> !lowbit.rows<tokens x 64, f32>
  return
}

// -----

func.func @rows_no_eps(%x: tensor<?x64xf32>, %g: tensor<64xf32>) {
  // expected-error@+1 {{has either both of norm and eps or neither}}
  %r = lowbit.quantize_rows %x norm(%g : tensor<64xf32>) : tensor<?x64xf32> -> !lowbit.rows<tokens x 64, f32>
  return
}

// -----

func.func @rows_no_norm(%x: tensor<?x64xf32>) {
  // expected-error@+1 {{has either both of norm and eps or neither}}
  %r = lowbit.quantize_rows %x {eps = 1.0e-5 : f32} : tensor<?x64xf32> -> !lowbit.rows<tokens x 64, f32>
  return
}

// -----

func.func @rows_sum(%x: tensor<?x64xf32>) {
  // expected-error@+1 {{has a sum as second result but no residual to add}}
  %r, %h = lowbit.quantize_rows %x : tensor<?x64xf32> -> !lowbit.rows<tokens x 64, f32>, tensor<?x64xf32>
  return
}

// -----

func.func @rows_sum_type(%x: tensor<?x64xf32>) {
  // expected-error@+1 {{sum is 'tensor<?x32xf32>', the input 'tensor<?x64xf32>'}}
  %r, %h = lowbit.quantize_rows %x residual(%x : tensor<?x64xf32>)
      : tensor<?x64xf32> -> !lowbit.rows<tokens x 64, f32>, tensor<?x32xf32>
  return
}

// -----

func.func @rows_selected(%x: tensor<?x64xf32>, %i: tensor<?xi32>) {
  // expected-error@+1 {{yields rows of logits exactly when it selects rows}}
  %r = lowbit.quantize_rows %x select(%i : tensor<?xi32>) : tensor<?x64xf32> -> !lowbit.rows<tokens x 64, f32>
  return
}

// -----

func.func @rows_not_selected(%x: tensor<?x64xf32>) {
  // expected-error@+1 {{yields rows of logits exactly when it selects rows}}
  %r = lowbit.quantize_rows %x : tensor<?x64xf32> -> !lowbit.rows<logits x 64, f32>
  return
}

// -----

func.func @linear_no_weight(%r: !lowbit.rows<tokens x 64, f32>) {
  // expected-error@+1 {{has no weight}}
  %y = "lowbit.linear"(%r) <{operandSegmentSizes = array<i32: 1, 0, 0>}> ({
    %c = arith.constant 0.0 : f32
    lowbit.yield %c : f32
  }) : (!lowbit.rows<tokens x 64, f32>) -> tensor<?x16xf32>
  return
}

// -----

func.func @linear_columns(%r: !lowbit.rows<tokens x 32, f32>, %w: !lowbit.packed<16x64, <bf16>>) {
  // expected-error@+1 {{multiplies rows of 32 columns by '!lowbit.packed<16x64, <bf16>>'}}
  %y = lowbit.linear %r, (%w) : !lowbit.rows<tokens x 32, f32>, (!lowbit.packed<16x64, <bf16>>) -> tensor<?x16xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  return
}

// -----

func.func @linear_rows(%r: !lowbit.rows<tokens x 64, f32>, %w: !lowbit.packed<16x64, <bf16>>,
                       %v: !lowbit.packed<32x64, <bf16>>) {
  // expected-error@+1 {{has weights of 16 and 32 rows}}
  %y = lowbit.linear %r, (%w, %v)
      : !lowbit.rows<tokens x 64, f32>, (!lowbit.packed<16x64, <bf16>>, !lowbit.packed<32x64, <bf16>>) -> tensor<?x16xf32> {
  ^bb0(%a: f32, %b: f32):
    lowbit.yield %a : f32
  }
  return
}

// -----

func.func @linear_float(%r: !lowbit.rows<tokens x 64, int8, bias = [0]>, %w: !lowbit.packed<16x64, <bf16>>) {
  // expected-error@+1 {{multiplies int8 rows by float weights '!lowbit.packed<16x64, <bf16>>'}}
  %y = lowbit.linear %r, (%w)
      : !lowbit.rows<tokens x 64, int8, bias = [0]>, (!lowbit.packed<16x64, <bf16>>) -> tensor<?x16xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  return
}

// -----

!weight = !lowbit.packed<16x64, <int4, group = 32, scale = f16, zero = none>>
func.func @linear_bias(%r: !lowbit.rows<tokens x 64, int8, bias = [0, 128]>, %w: !weight) {
  // expected-error@+1 {{reads rows without the bias 8 of '!lowbit.packed<16x64, <int4, group = 32, scale = f16, zero = none>>'}}
  %y = lowbit.linear %r, (%w) : !lowbit.rows<tokens x 64, int8, bias = [0, 128]>, (!weight) -> tensor<?x16xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  return
}

// -----

!weight = !lowbit.packed<16x64, <int4, group = 32, scale = f16, zero = min>>
func.func @linear_sums(%r: !lowbit.rows<tokens x 64, int8, bias = [0]>, %w: !weight) {
  // expected-error@+1 {{reads rows without the sums that '!lowbit.packed<16x64, <int4, group = 32, scale = f16, zero = min>>' needs}}
  %y = lowbit.linear %r, (%w) : !lowbit.rows<tokens x 64, int8, bias = [0]>, (!weight) -> tensor<?x16xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  return
}

// -----

func.func @linear_result(%r: !lowbit.rows<tokens x 64, f32>, %w: !lowbit.packed<16x64, <bf16>>) {
  // expected-error@+1 {{yields 'tensor<?x32xf32>' from 16 output channels}}
  %y = lowbit.linear %r, (%w) : !lowbit.rows<tokens x 64, f32>, (!lowbit.packed<16x64, <bf16>>) -> tensor<?x32xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  return
}

// -----

func.func @linear_extra(%r: !lowbit.rows<tokens x 64, f32>, %w: !lowbit.packed<16x64, <bf16>>, %b: tensor<32xf32>) {
  // expected-error@+1 {{extra operand is 'tensor<32xf32>', the result 'tensor<?x16xf32>'}}
  %y = lowbit.linear %r, (%w) extra(%b : tensor<32xf32>)
      : !lowbit.rows<tokens x 64, f32>, (!lowbit.packed<16x64, <bf16>>) -> tensor<?x16xf32> {
  ^bb0(%a: f32, %e: f32):
    lowbit.yield %a : f32
  }
  return
}

// -----

func.func @linear_arguments(%r: !lowbit.rows<tokens x 64, f32>, %w: !lowbit.packed<16x64, <bf16>>, %b: tensor<16xf32>) {
  // expected-error@+1 {{the epilogue has 1 arguments for 1 weights and 1 extra operands}}
  %y = lowbit.linear %r, (%w) extra(%b : tensor<16xf32>)
      : !lowbit.rows<tokens x 64, f32>, (!lowbit.packed<16x64, <bf16>>) -> tensor<?x16xf32> {
  ^bb0(%a: f32):
    lowbit.yield %a : f32
  }
  return
}

// -----

func.func @linear_f64(%r: !lowbit.rows<tokens x 64, f32>, %w: !lowbit.packed<16x64, <bf16>>) {
  // expected-error@+1 {{the epilogue works on f32, an argument is 'f64'}}
  %y = lowbit.linear %r, (%w) : !lowbit.rows<tokens x 64, f32>, (!lowbit.packed<16x64, <bf16>>) -> tensor<?x16xf32> {
  ^bb0(%a: f64):
    %c = arith.truncf %a : f64 to f32
    lowbit.yield %c : f32
  }
  return
}

// -----

func.func @yield_outside(%a: f32) {
  // expected-error@+1 {{'lowbit.yield' op expects parent op 'lowbit.linear'}}
  lowbit.yield %a : f32
}

// -----

func.func @dot4(%acc: vector<16xi32>, %a: vector<32xi8>) {
  // expected-error@+1 {{needs four bytes for each of the accumulator's 16 lanes, found 'vector<32xi8>'}}
  %r = lowbit.dot4 %acc, %a, %a : vector<16xi32>, vector<32xi8>
  return
}

// -----

func.func @dot2(%acc: vector<16xf32>, %a: vector<16xbf16>) {
  // expected-error@+1 {{needs two bf16 for each of the accumulator's 16 lanes, found 'vector<16xbf16>'}}
  %r = lowbit.dot2 %acc, %a, %a : vector<16xf32>, vector<16xbf16>
  return
}

// -----

func.func @tile_without_sources(%p: !llvm.ptr) {
  // expected-error@+1 {{has no source}}
  lowbit.dot_tile %p, () into %p {rows = 8 : i32, columns = 32 : i32}
  return
}

// -----

func.func @high_tile(%p: !llvm.ptr) {
  // expected-error@+1 {{has 17 rows; a tile has 1 to 16}}
  lowbit.dot_tile %p, (%p) into %p {rows = 17 : i32, columns = 32 : i32}
  return
}

// -----

func.func @broad_tile(%p: !llvm.ptr) {
  // expected-error@+1 {{has 68 columns; a tile has 4 to 64 of a byte each, in fours}}
  lowbit.dot_tile %p, (%p) into %p {rows = 8 : i32, columns = 68 : i32}
  return
}

// -----

func.func @bf16_without_sources(%p: !llvm.ptr, %rows: i16) {
  // expected-error@+1 {{has 0 sources; the unit has tiles for the sums of 1 to 6}}
  lowbit.dot_tile_bf16 %p, () of %rows into %p {columns = 32 : i64, stride = 64 : i64}
  return
}

// -----

func.func @bf16_of_too_many_sources(%p: !llvm.ptr, %rows: i16) {
  // expected-error@+1 {{has 7 sources; the unit has tiles for the sums of 1 to 6}}
  lowbit.dot_tile_bf16 %p, (%p, %p, %p, %p, %p, %p, %p) of %rows into %p {columns = 32 : i64, stride = 64 : i64}
  return
}

// -----

func.func @bf16_of_odd_columns(%p: !llvm.ptr, %rows: i16) {
  // expected-error@+1 {{has 48 columns; a tile has 32 of bf16}}
  lowbit.dot_tile_bf16 %p, (%p) of %rows into %p {columns = 48 : i64, stride = 96 : i64}
  return
}

// -----

func.func @bf16_without_columns(%p: !llvm.ptr, %rows: i16) {
  // expected-error@+1 {{has 0 columns; a tile has 32 of bf16}}
  lowbit.dot_tile_bf16 %p, (%p) of %rows into %p {columns = 0 : i64, stride = 64 : i64}
  return
}

// -----

func.func @short_table(%codes: vector<32xi8>) -> vector<32xi8> {
  // expected-error@+1 {{needs a table of 16 entries, found 3}}
  %r = lowbit.lookup %codes in [0, 1, 2] : vector<32xi8>
  return %r : vector<32xi8>
}
