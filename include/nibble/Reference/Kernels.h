//===- Kernels.h - What every op computes, in plain loops and double precision ------*- C++ -*-===//
//
// The oracle of Nibble: one function an op of the dialects llm and lowbit, on plain arrays, so that a
// compiled kernel can be compared with it without any IR. Sums are in double; what the ops' descriptions say
// is f32 (rotary angles, scales of int8 rows) is f32 here too. Sizes are the caller's promise; the
// interpreter checks them.
//
//===------------------------------------------------------------------------------------------===//
#pragma once

#include "nibble/Quantize/RowBlock.h"
#include "nibble/Reference/Cache.h"
#include "nibble/Reference/Matrix.h"
#include "nibble/Reference/QuantizedRows.h"

#include <optional>
#include <span>

namespace nibble::reference {

//===------------------------------------------------------------------------------------------------------===//
// Weights: lowbit.dequantize, lowbit.quantize
//===------------------------------------------------------------------------------------------------------===//

/// The entry of a codebook's table, from the table as it was published: an integer.
double codebookEntry(Element element, int code);

/// Row `row` of a weight, exact: scale * (code - zero), scale * code + minimum, or scale * table[code].
/// `values` is [K].
void decodeRow(const RowBlock &weight, int64_t row, std::span<double> values);

/// All rows: [N][K].
Matrix dequantize(const RowBlock &weight);

/// lowbit.quantize: for each group the best of 46 candidate scales, each refined by least squares. `values`
/// hold what fits f32; `format` is any with codes.
RowBlock quantize(const Matrix &values, const Format &format);

//===------------------------------------------------------------------------------------------------------===//
// Linears: llm.linear, llm.logits, lowbit.linear (without its epilogue), llm.lora, lowbit.dot4, lowbit.dot2,
// lowbit.dot_tile, lowbit.dot_tile_bf16, lowbit.lookup
//===------------------------------------------------------------------------------------------------------===//

/// y[m][n] = sum over k of x[m][k] w[n][k] + bias[n]; x is [M][K], the result [M][N]; no bias: an empty span.
Matrix linear(const Matrix &x, const RowBlock &weight, std::span<const double> bias = {});
Matrix linear(const Matrix &x, const Matrix &weight, std::span<const double> bias = {});
/// The same with x[m][k] = d q. Every product is exact in double.
Matrix linear(const QuantizedRows &x, const RowBlock &weight);

/// sum over k of |x[m][k]| |w[n][k]|: what the error of a kernel's sums is measured by.
Matrix linearMagnitude(const Matrix &x, const RowBlock &weight);
Matrix linearMagnitude(const QuantizedRows &x, const RowBlock &weight);

/// Row rows[r] of x for each r.
Matrix selectRows(const Matrix &x, std::span<const int32_t> rows);

/// base + scale B (A x): a is [R][K], b is [N][R].
Matrix lora(const Matrix &x, const Matrix &base, const Matrix &a, const Matrix &b, double scale);

/// result[l] = acc[l] + sum over i < 4 of u8(a[4l+i]) s8(b[4l+i]), modulo 2^32.
std::vector<int32_t> dot4(std::span<const int32_t> acc, std::span<const uint8_t> a,
                          std::span<const int8_t> b);

/// result[l] = acc[l] + a[2l+1] b[2l+1] + a[2l] b[2l].
std::vector<double> dot2(std::span<const double> acc, std::span<const double> a, std::span<const double> b);

/// lowbit.dot_tile for one source: sums[m][n] = sum over k of x[m][k] codes[k / 4][4n + k % 4], modulo 2^32.
/// x is [rows][columns], the codes [columns / 4][64], the result [rows][16].
std::vector<int32_t> dotTile(std::span<const uint8_t> codes, bool unsignedCodes, std::span<const int8_t> x,
                             int64_t rows, int64_t columns);

/// lowbit.dot_tile_bf16 for one source: sums[m][n] = sum over k of x[m][k] weights[k / 2][n][k % 2]. x is
/// [rows][columns], the weights [columns / 2][16][2], the result [rows][16].
std::vector<double> dotTileBF16(std::span<const double> weights, std::span<const double> x, int64_t rows,
                                int64_t columns);

/// lowbit.lookup: result[i] = table[codes[i]]; codes are 0 .. 15, the table has 16 entries.
std::vector<int8_t> lookup(std::span<const uint8_t> codes, std::span<const int8_t> table);

//===------------------------------------------------------------------------------------------------------===//
// Row-wise work: llm.embed, llm.rms_norm, llm.layer_norm, llm.rope, llm.angles, llm.rotate, llm.glu
//===------------------------------------------------------------------------------------------------------===//

/// scale table[ids[t]]; ids are in 0 .. N - 1.
Matrix embed(std::span<const int32_t> ids, const RowBlock &table, double scale = 1);
Matrix embed(std::span<const int32_t> ids, const Matrix &table, double scale = 1);

/// g_i x_i / sqrt(mean(x^2) + eps) in runs of the gain's size along each row.
Matrix rmsNorm(const Matrix &x, std::span<const double> gain, double eps);

/// g_i (x_i - mean) / sqrt(variance + eps) + b_i over each row.
Matrix layerNorm(const Matrix &x, std::span<const double> gain, std::span<const double> bias, double eps);

/// Half-split rotary embedding of the first 2 |F| elements of each head; angles are f32(p F_j). positions:
/// [rows].
Matrix rope(const Matrix &x, std::span<const int32_t> positions, int64_t headDim,
            std::span<const float> inverseFrequencies, double attentionFactor = 1);

/// Cosines, then sines, of f32(p F_j), times the attention factor: [positions][2 |F|].
Matrix angles(std::span<const int32_t> positions, std::span<const float> inverseFrequencies,
              double attentionFactor = 1);

/// Turns the first `angles.columns` elements of each head by the angles of its row.
Matrix rotate(const Matrix &x, const Matrix &angles, int64_t headDim);

enum class Activation : uint8_t { Silu, Gelu, GeluTanh };
double activate(Activation activation, double x);

/// act(gate) up, element by element.
Matrix glu(Activation activation, const Matrix &gate, const Matrix &up);

//===------------------------------------------------------------------------------------------------------===//
// llm.moe, llm.attention
//===------------------------------------------------------------------------------------------------------===//

struct Experts {
  Matrix router;          // [E][K]
  Matrix gate, up;        // [E * F][K]: expert after expert
  Matrix down;            // [E * K][F]
  int64_t perToken = 1;   // experts chosen for a token
  bool normalize = false; // divide the chosen probabilities by their sum
};

/// sum over the chosen experts of p_e down_e (act(gate_e x) * (up_e x)).
Matrix mixtureOfExperts(Activation activation, const Matrix &x, const Experts &experts);

struct AttentionShape {
  int64_t heads = 0, kvHeads = 0, headDim = 0; // kvHeads divides heads
  double scale = 1;
  std::optional<int64_t> window; // positions that a token sees, itself among them
  std::optional<double> softcap;
  std::vector<double> sinks; // [heads], or empty
};

/// One token at `position`: query and result [heads][headDim], keys and values [position + 1 or
/// more][kvHeads][headDim].
void attendRow(const AttentionShape &shape, int64_t position, std::span<const double> query,
               std::span<const double> keys, std::span<const double> values, std::span<double> result);

/// Stores k and v of every row in the cache, then attends. q is [T][heads * headDim], k and v [T][kvHeads *
/// headDim], positions [T]; every sequence's first position is at most its length in the cache.
Matrix attention(const AttentionShape &shape, const Matrix &q, const Matrix &k, const Matrix &v,
                 std::span<const int32_t> positions, const SequenceRows &sequences, int64_t layer,
                 KeyValueCache &cache);

} // namespace nibble::reference
