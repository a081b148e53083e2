// The inner loops of a merge: widening, low-rank products, rounding.
//
// Every loop is compiled once per instruction set; all variants give the same bits. Pointers to tensor bytes
// (`const void *`, `void *`) may have any alignment; pointers to float are aligned as float. No function checks
// its arguments or keeps state; the Swift target TileKernels is the checked interface.
//
// Every operation runs in the default floating-point environment (round to nearest even, subnormals kept), whatever
// the calling thread has set, and leaves that thread's settings as they were.
#ifndef CTILEKERNELS_H
#define CTILEKERNELS_H

#include <stddef.h>
#include <stdint.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors data is little-endian, and so is this code"
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { SMK_F32, SMK_F16, SMK_BF16 } smk_dtype;

// Columns in one panel of a packed right factor.
#define SMK_PANEL_COLUMNS 16

// One variant: the loops compiled for one instruction set.
typedef struct smk_kernels smk_kernels;

typedef enum {
  SMK_AVAILABLE,
  SMK_UNKNOWN_NAME,  // no variant of any build has this name
  SMK_CANNOT_RUN,    // not compiled for this architecture, or the CPU lacks an instruction set
} smk_availability;

// The variants that this CPU can run, fastest first: `index` 0 is the default. NULL at the end of the list.
const smk_kernels *smk_kernels_at(size_t index);

// The variant called `name` ("portable", "avx2", "avx512", "avx512bf16", "neon"), or NULL; `availability` (may be NULL) says why.
const smk_kernels *smk_kernels_named(const char *name, smk_availability *availability);

const char *smk_kernels_name(const smk_kernels *kernels);

// destination[i] = source[i], exactly. A signalling f16 NaN becomes quiet; f32 and bf16 keep every bit.
void smk_widen(const smk_kernels *kernels, smk_dtype dtype, const void *source, size_t count, float *destination);

// Packs `panel_count` panels, from `first_panel` on, of the right factor R (rank x columns):
// packed[p][k][j] = R[k, (first_panel + p) * 16 + j], and 0 where the column does not exist.
// Element (k, n) of R is element k * row_stride + n * column_stride of `source`.
void smk_pack_right(const smk_kernels *kernels, smk_dtype dtype, const void *source, size_t row_stride,
                    size_t column_stride, size_t rank, size_t columns, size_t first_panel, size_t panel_count,
                    float *packed);

// packed[m][k] = L[m, k], the left factor L (rows x rank) being laid out as in smk_pack_right.
void smk_pack_left(const smk_kernels *kernels, smk_dtype dtype, const void *source, size_t row_stride,
                   size_t column_stride, size_t rows, size_t rank, float *packed);

// delta[m * delta_stride + n] += scale * sum over k of left[m * rank + k] * R[k, n]
// for m < rows, n < columns. The sum starts at +0 and is a chain of fused multiply-adds in the order of k; the
// multiplication by `scale` and the addition to delta round once each. A NaN in delta has no particular payload.
// `scratch` has room for as many rows of the left factor as there are, at most SMK_ROW_STEP.
void smk_add_low_rank(const smk_kernels *kernels, float *delta, size_t delta_stride, const float *left,
                      const float *packed_right, size_t rows, size_t columns, size_t rank, float scale,
                      float *scratch);

// In one pass what smk_add_low_rank to a delta of -0 and smk_combine do, the same bits and the same number returned, for
// rows that lie one behind the other. The weight and the destination must not overlap.
uint64_t smk_merge_low_rank(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight, const float *left,
                            const float *packed_right, smk_dtype out_dtype, void *destination, size_t rows,
                            size_t columns, size_t rank, float scale, float *scratch);

// A product: a left factor (rows x rank, row-major) and a packed right one (rank x columns).
typedef struct {
  const float *left;
  const float *right;
  size_t rank;
} smk_low_rank;

// What smk_add_low_rank adds to a delta of -0, for rows that lie one behind the other, whatever the delta was.
void smk_set_low_rank(const smk_kernels *kernels, float *delta, const smk_low_rank *product, size_t rows, size_t columns,
                      float scale, float *scratch);

// What a product is multiplied by, element by element: one of them.
typedef struct {
  const float *columns;         // f[m, n] = columns[n]
  const smk_low_rank *product;  // f[m, n] = its sum over k
  int is_weight;                // f[m, n] = widen(weight[m, n])
} smk_multiplier;

// What smk_merge_low_rank does for a product times f, each multiplication rounding once:
// scale * (sum * f[m, n]), or with the weight (scale * sum) * f[m, n].
// `scratch` has room for as many rows of both left factors.
uint64_t smk_merge_multiplied(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight,
                              const smk_low_rank *product, const smk_multiplier *by, smk_dtype out_dtype,
                              void *destination, size_t rows, size_t columns, float scale, float *scratch);

// sums[m, n] = values[m, n] + sum over k of values[m, s + k] * block[k, n - s] in fp32, s being the first column of n's block:
// a chain of fused multiply-adds from +0 on in the order of k, then one addition. `size` divides `columns`; each block is packed
// as a right factor of its own and lies `block_stride` elements behind the one before it, which may be 0. Rows lie one behind
// the other. The sums must not overlap the values.
void smk_add_block_products(const smk_kernels *kernels, const float *values, size_t rows, size_t columns,
                            const float *packed_blocks, size_t size, size_t block_stride, float *sums);

// Rows that a product packs at once.
#define SMK_ROW_STEP 96

// delta[i] += scale * values[i]; multiplication and addition round once each.
void smk_add_scaled(const smk_kernels *kernels, float *delta, const float *values, size_t count, float scale);

// destination[i] = round to nearest even(widen(weight[i]) + delta[i]), the sum in fp32.
//
// A weight that is a NaN stays that NaN, made quiet, with as much of its payload as the output dtype holds; any other
// NaN is written as the positive quiet NaN without payload.
//
// Returns how many weights are finite but have an output that is not.
uint64_t smk_combine(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight, const float *delta,
                     smk_dtype out_dtype, void *destination, size_t count);

// ---- element by element, all in fp32, each operation rounding once

// sums[i] = widen(weight[i]) + delta[i]. A NaN in sums has no particular payload.
void smk_sum(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight, const float *delta, float *sums,
             size_t count);

// values[i] = factor * values[i]
void smk_scale(const smk_kernels *kernels, float *values, size_t count, float factor);

// delta[i] += values[i]
void smk_add_plain(const smk_kernels *kernels, float *delta, const float *values, size_t count);

// row[i] = scale * (factors[i / width] * values[i % width]) for i < count; without `factors`, scale * values[i % width].
void smk_fill_blocks(const smk_kernels *kernels, float *row, size_t count, const float *factors, const float *values,
                     size_t width, float scale);

// quotients[i] = numerators[i] / denominators[i]
void smk_divide(const smk_kernels *kernels, const float *numerators, const float *denominators, float *quotients,
                size_t count);

// delta[i] = widen(round to nearest even(delta[i])), rounding to `dtype`. A NaN stays one.
void smk_round_delta(const smk_kernels *kernels, smk_dtype dtype, float *delta, size_t count);

// ---- norms

// norms[m] = (float)sqrt(sum of squares of row m), row m being values[m * columns ...].
// In fp64: square n goes to lane n % 8, in the order of n; the lanes are added from 0 to 7.
void smk_row_norms(const smk_kernels *kernels, const float *values, size_t rows, size_t columns, float *norms);

// The same in fp32, in the order of torch 2.13 on x86-64 with AVX2 or AVX-512 (torch.linalg.norm over the contiguous
// dimension): the squares n < columns / 8 * 8 go to lane n % 8; the lanes are added from 0 to 7; of the rest, up to 7,
// four at once (if there are) are squared and added one after the other, the others by fused multiply-adds. Rows of
// one element have the norm |v|.
void smk_torch_row_norms(const smk_kernels *kernels, const float *values, size_t rows, size_t columns, float *norms);

// sums[n] += (double)v * (double)v for v = values[m * row_stride + n], in the order of m < rows.
void smk_add_column_squares(const smk_kernels *kernels, const float *values, size_t row_stride, size_t rows,
                            size_t columns, double *sums);

// The same in fp32, the square rounded, then the sum: the order of torch for a norm over the outer dimension.
void smk_torch_add_column_squares(const smk_kernels *kernels, const float *values, size_t row_stride, size_t rows,
                                  size_t columns, float *sums);

// products[m * count + k] = (float)(sum over n of (double)values[m * columns + n] * vectors[k * columns + n]).
// In fp64: each product is rounded; product n goes to lane n % 8, in the order of n, and the lanes are added from 0 to 7, then
// the products of the last columns % 8.
void smk_row_projections(const smk_kernels *kernels, const float *values, size_t rows, size_t columns,
                         const double *vectors, size_t count, float *products);

// norms[i] = (float)sqrt(squares[i])
void smk_roots(const smk_kernels *kernels, const double *squares, size_t count, float *norms);
void smk_torch_roots(const smk_kernels *kernels, const float *squares, size_t count, float *norms);

// ---- DoRA's last step

// destination[i] = round to nearest even(factor * values[i]), the product in fp32. NaN and the number returned are as
// for smk_combine. The factor is *factors for all or factors[i] for each.
uint64_t smk_rescale_by_one(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight,
                            const float *values, const float *factors, smk_dtype out_dtype, void *destination,
                            size_t count);
uint64_t smk_rescale_by_each(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight,
                             const float *values, const float *factors, smk_dtype out_dtype, void *destination,
                             size_t count);

// ---- stochastic rounding

// words[i] = word (first + i) % 4 of the Philox4x32-10 block with the counter ((first + i) / 4, tensor) and the key
// `seed`, each a 64-bit number given as two words, the lower first. `first` + `count` must not exceed 2^64.
void smk_random_words(const smk_kernels *kernels, uint64_t seed, uint64_t tensor, uint64_t first, size_t count,
                      uint32_t *words);

// As smk_combine (`are_deltas`), or with `values` in place of the sum, but rounding at random to f16 or bf16.
//
// Of the two neighbors of a number, the one of greater magnitude is taken if word i < floor(t * 2^32), t being the
// distance to the other in units of the distance between the two. Exact values stay. Magnitudes above the largest
// finite one become infinite where rounding to nearest does so and the largest finite one elsewhere.
uint64_t smk_round_stochastically(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight,
                                  const float *values, int are_deltas, smk_dtype out_dtype, void *destination,
                                  size_t count, uint64_t seed, uint64_t tensor, uint64_t first);

// ---- statistics

typedef struct {
  uint64_t changed_count;
  double intended_squares;
  double lost_squares;
  double base_squares;
} smk_row_statistics;

// What a merge did to one row. An element is changed if its bits differ from those of the base, which is converted to
// the output dtype first (smk_combine with -0) if that is another.
//
// The sums of d * d, l * l and w * w, with w and o the widened base and output, are taken 256 elements at a time and
// added in fp64 in the order of the elements. Of 256, or what is left of a row, in fp32, every operation rounded:
//
//   d = intended[i], l = (o - w) - d                       `are_deltas`, output f16 or bf16
//   d = intended[i], l = (o - s) - (w + d - s), s = w + d  `are_deltas`, output f32; w + d - s is exact (TwoSum)
//   d = intended[i] - w, l = o - intended[i]               otherwise
//
// Element i goes to lane i % 16, in the order of i; then lane j + 8 is added to lane j for j < 8, j + 4 to j for j < 4,
// and so on. If one of the three sums is not finite, or is below 2^-100 though not all its numbers are 0, these elements
// are summed in fp64, with the first or the last line: element i of them goes to lane i % 8, the lanes are added from 0
// to 7; where w, o or intended[i] is not finite, nothing is added.
//
// With u = 2^-24 the sums differ from exact ones by a factor within 1 +- 32 u: at most 2 roundings of a difference, which
// count twice in its square, 1 of the square, 20 of additions. In the first form o - w may also round, by
// u * |d + l|: sqrt(sum l * l) is off by at most u * (sqrt(sum d * d) + sqrt(sum l * l)) more.
smk_row_statistics smk_statistics_of_row(const smk_kernels *kernels, smk_dtype base_dtype, const void *base,
                                         smk_dtype out_dtype, const void *output, const float *intended,
                                         int are_deltas, size_t count);

// ---- weights kept as codes: a table says what a code is, a block of elements shares a scale

// Values are products in fp32, each rounded, then rounded to nearest even in the output dtype. Every NaN is written as
// the positive quiet NaN without payload.

typedef struct {
  size_t rows, columns;  // of the codes, one byte each, row by row
  size_t first_row;      // the place of row 0 in its block
  size_t block_rows, block_columns;
  const float *scales;   // of the blocks, a row of blocks after another; the last of each may be cut
  size_t scale_columns;
  const float *zeros;      // of the blocks, like the scales; null: none
  const uint32_t *blocks;  // the block of each column; null: column / block_columns
  float factor;            // multiplies every value last
} smk_code_grid;

// destination[m * columns + n] = (table[code] - zero) * scale * factor; `table` has 256 numbers. A difference is rounded
// too; those of small integers are exact.
void smk_decode_codes(const smk_kernels *kernels, const float *table, const uint8_t *codes, const smk_code_grid *grid,
                      smk_dtype out_dtype, void *destination);

// destination[i] = table[code] * scales[(first + i) / block] for i < count; `table` has 16 numbers, `block` is even.
// Two codes share a byte, the first in the upper half (`is_high_first`) or the lower; if `first` is odd, code 0 is the
// second of the first byte.
void smk_decode_nibbles(const smk_kernels *kernels, const float *table, const uint8_t *codes, size_t first,
                        size_t count, size_t block, int is_high_first, const float *scales, smk_dtype out_dtype,
                        void *destination);

typedef struct {
  const uint8_t *codes;      // of column 0, row 0: two in a byte, the first in the lower half, along the rows
  size_t code_stride;        // bytes from a column to the next
  const uint8_t *scales;     // of column 0, rows 0 ..< block
  size_t scale_stride;       // bytes from a column to the next
  size_t block;              // rows that share a scale: even
  size_t first_row, rows, columns;
} smk_transposed_codes;

// destination[(m - first_row) * columns + n] = table[code] * scale_table[scale] for first_row <= m < first_row + rows.
// Whole blocks of rows are there in every column: bytes of rows beside those asked for are read.
void smk_decode_transposed(const smk_kernels *kernels, const float *table, const float *scale_table,
                           const smk_transposed_codes *matrix, smk_dtype out_dtype, void *destination);

// ---- weights that are requantized: a part of a matrix in fp32, rows `stride` elements apart

// The largest magnitude of those that are finite; 0 if none is.
float smk_largest_finite(const smk_kernels *kernels, const void *values, size_t stride, size_t rows, size_t columns);

// code = value / scale (`divides`) or value * scale, rounded to fp32 and then to the nearest number of E4M3, halves to
// even; the codes lie as the values do. Magnitudes above 448, the largest, become 448; every NaN becomes 0x7f.
void smk_encode_e4m3(const smk_kernels *kernels, const void *values, size_t stride, size_t rows, size_t columns,
                     float scale, int divides, uint8_t *codes);

typedef struct {
  uint64_t changed;     // codes that are not what they were
  uint64_t half_steps;  // changes c, not 0, with |c| >= scale * half the distance from |code| to the next greater number
} smk_code_changes;

// What became of codes of E4M3: c = intended[i] (`are_deltas`) or intended[i] - weight[i], of fp32; a NaN is large.
// `scale` is positive. A row has fewer than 2^32 elements.
smk_code_changes smk_compare_codes(const smk_kernels *kernels, const void *weight, const float *intended,
                                   int are_deltas, const uint8_t *before, const uint8_t *codes, float scale,
                                   size_t stride, size_t rows, size_t columns);

// The largest finite magnitude of each `block` values; 0 where none is finite.
void smk_block_magnitudes(const smk_kernels *kernels, const float *values, size_t count, size_t block,
                          float *magnitudes);

// values[i] = numbers[code] * scale, code being how many of the 15 bounds are below values[i] * (1 / max(magnitude, 1e-38)),
// with a magnitude and a scale for each `block` values. What is not finite stays. `codes` gets a byte for each; may be null.
void smk_through_nf4(const smk_kernels *kernels, float *values, size_t count, size_t block, const float *bounds,
                        const float *numbers, const float *magnitudes, const float *scales, uint8_t *codes);

// A byte for each of `count` codes of half a byte, from the one at place `first` on: two in a byte, the first in its upper
// half (`is_high_first`) or its lower.
void smk_unpack_nibbles(const uint8_t *source, size_t first, size_t count, int is_high_first, uint8_t *codes);

// Eight codes of half a byte in a word of 32 bits, of a matrix that is stored transposed. `codes` gets a byte for each: rows
// `first_row` ..< `first_row` + `row_count`, each of `columns`.
//
// Along the columns (GPTQ): `words` is columns / 8 times `word_columns`, a word for each row, the first code lowest.
void smk_unpack_along_columns(const uint8_t *words, size_t word_columns, size_t first_row, size_t row_count,
                              size_t columns, uint8_t *codes);
// Along the rows (AWQ): `words` is `columns` times `word_columns`, a word for 8 rows, in the places 0, 4, 1, 5, 2, 6, 3, 7.
void smk_unpack_along_rows(const uint8_t *words, size_t word_columns, size_t first_row, size_t row_count,
                           size_t columns, uint8_t *codes);

#ifdef __cplusplus
}
#endif

#endif
