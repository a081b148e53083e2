// The loops, once for all variants. Included at the end of a variant's file, which includes <math.h> and <string.h> and
// defines
//
//   VARIANT                          its name as an identifier
//   VECTOR_WIDTH                     floats in a vector: a divisor of 16
//   BLOCK_ROWS, BLOCK_PANELS         the register block: at most 8 rows, 2 panels of 16 columns
//   UNROLL                           a pragma before loops over the register block
//   vector, vector_load, vector_store, vector_broadcast, vector_zero, vector_add, vector_subtract,
//   vector_multiply
//   vector_fma(a, b, c)              a * b + c, rounded once
//   vector_load_f16, vector_load_bf16, vector_store_f16, vector_store_bf16
//                                    16-bit values at any alignment; the stores need not handle NaN
//   magnitudes, magnitudes_zero, magnitudes_max(m, v), magnitudes_reach(m, bits)
//                                    the running maximum of |v| as integers, lane by lane; whether one is >= bits

#include "scalar.h"
#include "scalar_stochastic.h"

#define VECTORS_PER_PANEL (SMK_PANEL_COLUMNS / VECTOR_WIDTH)
#define BLOCK_COLUMNS (BLOCK_PANELS * SMK_PANEL_COLUMNS)
#define BLOCK_VECTORS (BLOCK_PANELS * VECTORS_PER_PANEL)

// Blocking for the first-level cache, used from rank DEPTH_STEP + 1 on: a panel pair of DEPTH_STEP rows (16 KiB) stays
// there while ROW_STEP rows of the left factor pass. Between steps the accumulators rest in memory as they are, so the
// chain of additions is the same as without blocking. ROW_STEP is a multiple of every BLOCK_ROWS.
#define DEPTH_STEP 128
#define ROW_STEP 48

// ---- low-rank products

struct block {
  float *delta;
  size_t delta_stride;
  const float *left;
  size_t rank;
  const float *packed;   // at this step's first k, in the first panel
  size_t depth;          // number of k in this step
  size_t columns;        // columns that exist
  float scale;
  float *partial;        // resting accumulators [rows][BLOCK_COLUMNS]
  int is_first, is_last; // of the steps over k
};

SMK_INLINE void multiply_block(const struct block *b, const size_t rows, const size_t panels) {
  const size_t vectors = panels * VECTORS_PER_PANEL;
  const size_t rank = b->rank, depth = b->depth;
  vector sums[BLOCK_ROWS][BLOCK_VECTORS];
  UNROLL
  for (size_t m = 0; m < rows; m++) {
    UNROLL
    for (size_t v = 0; v < vectors; v++) {
      sums[m][v] = b->is_first ? vector_zero() : vector_load(b->partial + m * BLOCK_COLUMNS + v * VECTOR_WIDTH);
    }
  }

  const float *left = b->left;
  const float *right = b->packed;
  for (size_t k = 0; k < depth; k++) {
    vector row[BLOCK_VECTORS];
    UNROLL
    for (size_t v = 0; v < vectors; v++) {
      size_t panel = v / VECTORS_PER_PANEL, lane = v % VECTORS_PER_PANEL * VECTOR_WIDTH;
      row[v] = vector_load(right + panel * rank * SMK_PANEL_COLUMNS + k * SMK_PANEL_COLUMNS + lane);
    }
    UNROLL
    for (size_t m = 0; m < rows; m++) {
      vector factor = vector_broadcast(left[m * rank + k]);
      UNROLL
      for (size_t v = 0; v < vectors; v++) sums[m][v] = vector_fma(factor, row[v], sums[m][v]);
    }
  }

  if (!b->is_last) {
    float *partial = b->partial;
    UNROLL
    for (size_t m = 0; m < rows; m++) {
      UNROLL
      for (size_t v = 0; v < vectors; v++) vector_store(partial + m * BLOCK_COLUMNS + v * VECTOR_WIDTH, sums[m][v]);
    }
    return;
  }
  const vector scale = vector_broadcast(b->scale);
  const size_t columns = b->columns, stride = b->delta_stride;
  float *delta = b->delta;
  if (columns == vectors * VECTOR_WIDTH) {
    UNROLL
    for (size_t m = 0; m < rows; m++) {
      UNROLL
      for (size_t v = 0; v < vectors; v++) {
        float *target = delta + m * stride + v * VECTOR_WIDTH;
        vector_store(target, vector_add(vector_load(target), vector_multiply(scale, sums[m][v])));
      }
    }
    return;
  }
  float products[BLOCK_ROWS][BLOCK_COLUMNS];
  UNROLL
  for (size_t m = 0; m < rows; m++) {
    UNROLL
    for (size_t v = 0; v < vectors; v++) {
      vector_store(products[m] + v * VECTOR_WIDTH, vector_multiply(scale, sums[m][v]));
    }
  }
  for (size_t m = 0; m < rows; m++) {
    for (size_t n = 0; n < columns; n++) delta[m * stride + n] += products[m][n];
  }
}

typedef void (*block_function)(const struct block *);

#define DEFINE_BLOCK(rows, panels) \
  static void multiply_##rows##x##panels(const struct block *b) { multiply_block(b, rows, panels); }
#define DEFINE_BLOCKS_TO_4(panels) \
  DEFINE_BLOCK(1, panels) DEFINE_BLOCK(2, panels) DEFINE_BLOCK(3, panels) DEFINE_BLOCK(4, panels)
#define NAME_BLOCKS_TO_4(panels) multiply_1x##panels, multiply_2x##panels, multiply_3x##panels, multiply_4x##panels

#if BLOCK_ROWS == 4
#define DEFINE_BLOCKS(panels) DEFINE_BLOCKS_TO_4(panels)
#define NAME_BLOCKS(panels) {NAME_BLOCKS_TO_4(panels)}
#elif BLOCK_ROWS == 6
#define DEFINE_BLOCKS(panels) DEFINE_BLOCKS_TO_4(panels) DEFINE_BLOCK(5, panels) DEFINE_BLOCK(6, panels)
#define NAME_BLOCKS(panels) {NAME_BLOCKS_TO_4(panels), multiply_5x##panels, multiply_6x##panels}
#elif BLOCK_ROWS == 8
#define DEFINE_BLOCKS(panels) \
  DEFINE_BLOCKS_TO_4(panels) DEFINE_BLOCK(5, panels) DEFINE_BLOCK(6, panels) DEFINE_BLOCK(7, panels) \
  DEFINE_BLOCK(8, panels)
#define NAME_BLOCKS(panels) \
  {NAME_BLOCKS_TO_4(panels), multiply_5x##panels, multiply_6x##panels, multiply_7x##panels, multiply_8x##panels}
#else
#error "BLOCK_ROWS must be 4, 6 or 8"
#endif

DEFINE_BLOCKS(1)
#if BLOCK_PANELS == 2
DEFINE_BLOCKS(2)
static const block_function block_functions[BLOCK_PANELS][BLOCK_ROWS] = {NAME_BLOCKS(1), NAME_BLOCKS(2)};
#else
static const block_function block_functions[BLOCK_PANELS][BLOCK_ROWS] = {NAME_BLOCKS(1)};
#endif

SMK_INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static void add_low_rank(float *delta, size_t delta_stride, const float *left, const float *packed_right, size_t rows,
                         size_t columns, size_t rank, float scale) {
  float partial[ROW_STEP * BLOCK_COLUMNS];
  for (size_t n = 0; n < columns; n += BLOCK_COLUMNS) {
    size_t columns_here = smaller(columns - n, BLOCK_COLUMNS);
    size_t panels = (columns_here + SMK_PANEL_COLUMNS - 1) / SMK_PANEL_COLUMNS;
    for (size_t first_row = 0; first_row < rows; first_row += ROW_STEP) {
      size_t end_row = first_row + smaller(rows - first_row, ROW_STEP);
      size_t k = 0;
      do {
        size_t depth = smaller(rank - k, DEPTH_STEP);
        for (size_t m = first_row, rows_here; m < end_row; m += rows_here) {
          // Blocks of about the same height: 8 rows go faster as 4 + 4 than as 6 + 2.
          size_t blocks = (end_row - m + BLOCK_ROWS - 1) / BLOCK_ROWS;
          rows_here = (end_row - m + blocks - 1) / blocks;
          struct block b = {
              .delta = delta + m * delta_stride + n,
              .delta_stride = delta_stride,
              .left = left + m * rank + k,
              .rank = rank,
              .packed = packed_right + n * rank + k * SMK_PANEL_COLUMNS,
              .depth = depth,
              .columns = columns_here,
              .scale = scale,
              .partial = partial + (m - first_row) * BLOCK_COLUMNS,
              .is_first = k == 0,
              .is_last = k + depth == rank,
          };
          block_functions[panels - 1][rows_here - 1](&b);
        }
        k += depth;
      } while (k < rank);
    }
  }
}

static void add_scaled(float *delta, const float *values, size_t count, float scale) {
  vector factor = vector_broadcast(scale);
  size_t i = 0;
  for (; i + VECTOR_WIDTH <= count; i += VECTOR_WIDTH) {
    vector_store(delta + i, vector_add(vector_load(delta + i), vector_multiply(factor, vector_load(values + i))));
  }
  for (; i < count; i++) {
    float product = scale * values[i];
    delta[i] += product;
  }
}

// ---- conversions

#define GROUP 32
#define PREFETCH 2048  // bytes ahead
#define GROUP_VECTORS (GROUP / VECTOR_WIDTH)

SMK_INLINE vector load_as(smk_dtype dtype, const char *source) {
  switch (dtype) {
    case SMK_F16: return vector_load_f16(source);
    case SMK_BF16: return vector_load_bf16(source);
    case SMK_F32: break;
  }
  return vector_load(source);
}

SMK_INLINE void store_as(smk_dtype dtype, vector values, char *destination) {
  switch (dtype) {
    case SMK_F32: vector_store(destination, values); break;
    case SMK_F16: vector_store_f16(destination, values); break;
    case SMK_BF16: vector_store_bf16(destination, values); break;
  }
}

SMK_INLINE void widen_from(const smk_dtype dtype, const char *source, size_t count, float *destination) {
  const size_t size = smk_byte_count(dtype);
  size_t i = 0;
  for (; i + VECTOR_WIDTH <= count; i += VECTOR_WIDTH) vector_store(destination + i, load_as(dtype, source + i * size));
  smk_scalar_widen(dtype, source + i * size, count - i, destination + i);
}

static void widen(smk_dtype dtype, const void *source, size_t count, float *destination) {
  switch (dtype) {
    case SMK_F32: memcpy(destination, source, count * sizeof *destination); break;
    case SMK_F16: widen_from(SMK_F16, source, count, destination); break;
    case SMK_BF16: widen_from(SMK_BF16, source, count, destination); break;
  }
}

// The weights come from memory while the rest of a tile is in cache; what the hardware fetches ahead by itself is too
// little next to the other streams. The address may lie past the end, which a prefetch ignores.
SMK_INLINE void prefetch(const char *source, size_t byte_count) {
  for (size_t i = 0; i < byte_count; i += 64) __builtin_prefetch((const void *)((uintptr_t)source + PREFETCH + i));
}

SMK_INLINE uint64_t combine_pair(const smk_dtype in, const char *weight, const float *delta, const smk_dtype out,
                                 char *destination, size_t count) {
  const size_t in_size = smk_byte_count(in), out_size = smk_byte_count(out);
  uint64_t overflows = 0;
  size_t i = 0;
  for (; i + GROUP <= count; i += GROUP) {
    vector sums[GROUP_VECTORS];
    magnitudes largest = magnitudes_zero();
    prefetch(weight + i * in_size, GROUP * in_size);
    UNROLL
    for (size_t v = 0; v < GROUP_VECTORS; v++) {
      size_t at = i + v * VECTOR_WIDTH;
      sums[v] = vector_add(load_as(in, weight + at * in_size), vector_load(delta + at));
      largest = magnitudes_max(largest, sums[v]);
    }
    // A NaN is greater than every number here, so the vector path below sees finite results only.
    if (__builtin_expect(magnitudes_reach(largest, smk_first_overflow(out)), 0)) {
      overflows += smk_scalar_combine(in, weight + i * in_size, delta + i, out, destination + i * out_size, GROUP);
      continue;
    }
    UNROLL
    for (size_t v = 0; v < GROUP_VECTORS; v++) store_as(out, sums[v], destination + (i + v * VECTOR_WIDTH) * out_size);
  }
  return overflows
      + smk_scalar_combine(in, weight + i * in_size, delta + i, out, destination + i * out_size, count - i);
}

#define DEFINE_COMBINE(in, out)                                                                                    \
  static uint64_t combine_##in##_##out(const void *weight, const float *delta, void *destination, size_t count) { \
    return combine_pair(SMK_##in, weight, delta, SMK_##out, destination, count);                                   \
  }
#define DEFINE_COMBINES(in) DEFINE_COMBINE(in, F32) DEFINE_COMBINE(in, F16) DEFINE_COMBINE(in, BF16)
DEFINE_COMBINES(F32)
DEFINE_COMBINES(F16)
DEFINE_COMBINES(BF16)

static uint64_t combine(smk_dtype weight_dtype, const void *weight, const float *delta, smk_dtype out_dtype,
                        void *destination, size_t count) {
  typedef uint64_t (*combine_function)(const void *, const float *, void *, size_t);
#define NAME_COMBINES(in) \
  [SMK_##in] = {[SMK_F32] = combine_##in##_F32, [SMK_F16] = combine_##in##_F16, [SMK_BF16] = combine_##in##_BF16}
  static const combine_function functions[3][3] = {NAME_COMBINES(F32), NAME_COMBINES(F16), NAME_COMBINES(BF16)};
  return functions[weight_dtype][out_dtype](weight, delta, destination, count);
}

#include "kernel_elementwise.h"
#include "kernel_norms.h"
#include "kernel_rescale.h"
#include "kernel_statistics.h"
#include "kernel_stochastic.h"

#define SMK_CONCATENATE(a, b) a##b
#define SMK_TABLE(variant) SMK_CONCATENATE(smk_, variant)
#define SMK_TEXT(name) #name
#define SMK_NAME(variant) SMK_TEXT(variant)

const smk_kernels SMK_TABLE(VARIANT) = {
    .name = SMK_NAME(VARIANT),
    .widen = widen,
    .add_low_rank = add_low_rank,
    .add_scaled = add_scaled,
    .combine = combine,
    .sum = sum,
    .scale = scale_values,
    .add_plain = add_plain,
    .divide = divide,
    .round_delta = round_delta,
    .row_norms = row_norms,
    .torch_row_norms = torch_row_norms,
    .add_column_squares = add_column_squares,
    .torch_add_column_squares = torch_add_column_squares,
    .roots = roots,
    .torch_roots = torch_roots,
    .rescale_by_one = rescale_by_one,
    .rescale_by_each = rescale_by_each,
    .random_words = random_words,
    .round_stochastically = round_stochastically,
    .row_statistics = row_statistics,
};
