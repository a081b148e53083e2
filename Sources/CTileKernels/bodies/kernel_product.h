// Low-rank products, added to a delta or merged with the weights in the same pass, as they are or multiplied element by
// element. Included by kernel_body.h.

// Blocking for the caches. ROW_STEP rows, a multiple of every BLOCK_ROWS, share what is loaded of the right factor: as many
// columns as fit into STRIPE_BYTES where the rank is small, one block's columns and DEPTH_STEP rows at a time above
// DEPTH_STEP. Accumulators rest in memory between the steps over k, which leaves the chain of additions as it is.
#define ROW_STEP SMK_ROW_STEP
#define DEPTH_STEP (256 / BLOCK_PANELS)
#define STRIPE_BYTES (32 << 10)

// Up to SHALLOW_RANK memory is the limit, not arithmetic. Then stripes are as wide as the second-level cache likes, so that
// rows are read and written without breaks, and blocks have few rows, so that few streams of memory are open at a time.
#define SHALLOW_RANK 8
#define SHALLOW_STRIPE_BYTES (256 << 10)
#define SHALLOW_BLOCK_ROWS 4

// Columns of a stripe where a block's rows of factors are computed before its products: they stay in the first-level cache.
#define PAIRED_COLUMNS 512
#define PAIRED_FACTORS \
  (ROW_STEP * BLOCK_COLUMNS > BLOCK_ROWS * PAIRED_COLUMNS ? ROW_STEP * BLOCK_COLUMNS : BLOCK_ROWS * PAIRED_COLUMNS)

#include "kernel_block.h"

typedef uint64_t (*run_function)(const struct run *);

#define DEFINE_RUN(rows, panels) \
  static uint64_t multiply_##rows##x##panels(const struct run *r) { return multiply_run(r, rows, panels); }
#define DEFINE_RUNS_TO_4(panels) DEFINE_RUN(1, panels) DEFINE_RUN(2, panels) DEFINE_RUN(3, panels) DEFINE_RUN(4, panels)
#define NAME_RUNS_TO_4(panels) multiply_1x##panels, multiply_2x##panels, multiply_3x##panels, multiply_4x##panels

#if BLOCK_ROWS == 4
#define DEFINE_RUNS(panels) DEFINE_RUNS_TO_4(panels)
#define NAME_RUNS(panels) {NAME_RUNS_TO_4(panels)}
#elif BLOCK_ROWS == 6
#define DEFINE_RUNS(panels) DEFINE_RUNS_TO_4(panels) DEFINE_RUN(5, panels) DEFINE_RUN(6, panels)
#define NAME_RUNS(panels) {NAME_RUNS_TO_4(panels), multiply_5x##panels, multiply_6x##panels}
#else
#error "BLOCK_ROWS must be 4 or 6"
#endif

// Whole blocks, and one panel at a time for what is left of a row.
DEFINE_RUNS(1)
#if BLOCK_PANELS == 1
static const run_function run_functions[1][BLOCK_ROWS] = {NAME_RUNS(1)};
#elif BLOCK_PANELS == 4
DEFINE_RUNS(4)
static const run_function run_functions[2][BLOCK_ROWS] = {NAME_RUNS(1), NAME_RUNS(4)};
#else
#error "BLOCK_PANELS must be 1 or 4"
#endif

// The most rows of a block.
SMK_INLINE size_t most_rows(size_t rank) { return rank <= SHALLOW_RANK ? SHALLOW_BLOCK_ROWS : BLOCK_ROWS; }

// The height of the next of the blocks that `rows` rows are cut into, all of about the same: 8 rows go faster as 4 + 4
// than as 6 + 2.
SMK_INLINE size_t block_height(size_t rows, size_t most) {
  size_t blocks = (rows + most - 1) / most;
  return (rows + blocks - 1) / blocks;
}

// packed[block][k][row of the block]
static void pack_blocks(const float *left, size_t rows, size_t rank, size_t most, float *packed) {
  for (size_t m = 0, height; m < rows; m += height) {
    height = block_height(rows - m, most);
    for (size_t k = 0; k < rank; k++) {
      for (size_t i = 0; i < height; i++) packed[m * rank + k * height + i] = left[(m + i) * rank + k];
    }
  }
}

// All columns of a stripe for some rows, step by step over k.
static uint64_t multiply_stripe(const struct run *stripe, size_t rows, size_t panels) {
  uint64_t overflows = 0;
  const size_t rank = stripe->rank;
  size_t k = 0;
  do {
    struct run r = *stripe;
    r.depth = smaller(rank - k, DEPTH_STEP);
    r.right = stripe->right + k * SMK_PANEL_COLUMNS;
    r.is_first = k == 0;
    r.is_last = k + r.depth == rank;
    for (size_t m = 0, height; m < rows; m += height) {
      height = block_height(rows - m, stripe->block_rows);
      r.weight = stripe->weight + m * stripe->weight_stride;
      r.destination = stripe->destination + m * stripe->destination_stride;
      r.factors = stripe->factors ? stripe->factors + m * stripe->factor_stride : NULL;
      r.left = stripe->left + m * rank + k * height;
      r.partial = stripe->partial + m * BLOCK_COLUMNS;
      overflows += run_functions[panels > 1][height - 1](&r);
    }
    k += r.depth;
  } while (k < rank);
  return overflows;
}

// The same times a second product, whose left rows are packed and whose right factor begins at the stripe, or without one
// times the weight: a block of rows at a time where the ranks are small.
static uint64_t multiply_stripes(const struct run *stripe, const smk_low_rank *by, size_t rows, size_t panels) {
  float factors[PAIRED_FACTORS];
  const size_t width = stripe->columns;
  const int is_deep = stripe->rank > DEPTH_STEP || (by && by->rank > DEPTH_STEP);
  uint64_t overflows = 0;
  for (size_t m = 0, height; m < rows; m += height) {
    height = is_deep ? rows : block_height(rows - m, stripe->block_rows);
    struct run r = *stripe;
    r.weight += m * r.weight_stride;
    r.destination += m * r.destination_stride;
    r.left += m * r.rank;
    r.factors = factors;
    r.factor_stride = width;
    if (by) {
      struct run other = r;
      other.destination = (char *)factors;
      other.destination_stride = width * sizeof *factors;
      other.left = by->left + m * by->rank;
      other.right = by->right;
      other.rank = by->rank;
      other.factors = NULL;
      other.scale = 1;
      other.pair = SET_DELTA;
      multiply_stripe(&other, height, panels);
      r.factor_scale = 1;
    } else {
      for (size_t i = 0; i < height; i++) widen(r.in, r.weight + i * r.weight_stride, width, factors + i * width);
      r.factor_scale = r.scale;
      r.scale = 1;
    }
    overflows += multiply_stripe(&r, height, panels);
  }
  return overflows;
}

// The most columns of a stripe; `other` is the rank of a second product.
SMK_INLINE size_t stripe_width(size_t rank, size_t other, int is_paired) {
  if (rank > DEPTH_STEP || other > DEPTH_STEP) return BLOCK_COLUMNS;
  const size_t bytes = rank + other <= SHALLOW_RANK ? SHALLOW_STRIPE_BYTES : STRIPE_BYTES;
  const size_t blocks = bytes / sizeof(float) / BLOCK_COLUMNS / (rank + other + 1);
  const size_t width = (blocks > 0 ? blocks : 1) * BLOCK_COLUMNS;
  return is_paired ? smaller(width, PAIRED_COLUMNS) : width;
}

// `all`: its pair with dtypes, weight, destination and their strides, scale, rank and right are set; its left factor is not
// packed. `by` may be NULL.
static uint64_t multiply(const struct run *all, const smk_multiplier *by, size_t rows, size_t columns, size_t in_size,
                         size_t out_size, float *scratch) {
  float partial[ROW_STEP * BLOCK_COLUMNS];
  const smk_low_rank *second = by ? by->product : NULL;
  const int is_paired = by && (by->product || by->is_weight);
  const size_t rank = all->rank, other_rank = second ? second->rank : 0;
  const size_t most = most_rows(rank + other_rank);
  const size_t stripe_columns = stripe_width(rank, other_rank, is_paired);
  uint64_t overflows = 0;
  for (size_t first_row = 0; first_row < rows; first_row += ROW_STEP) {
    const size_t rows_here = smaller(rows - first_row, ROW_STEP);
    float *packed = scratch + rows_here * rank;
    pack_blocks(all->left + first_row * rank, rows_here, rank, most, scratch);
    if (second) pack_blocks(second->left + first_row * other_rank, rows_here, other_rank, most, packed);
    for (size_t n = 0, columns_here; n < columns; n += columns_here) {
      columns_here = smaller(columns - n, stripe_columns);
      size_t panels = BLOCK_PANELS;
      if (columns_here >= BLOCK_COLUMNS) {
        columns_here -= columns_here % BLOCK_COLUMNS;
      } else {
        panels = 1;
        columns_here = smaller(columns_here, SMK_PANEL_COLUMNS);
      }
      struct run stripe = *all;
      stripe.weight = all->weight + first_row * all->weight_stride + n * in_size;
      stripe.destination = all->destination + first_row * all->destination_stride + n * out_size;
      stripe.factors = by && by->columns ? by->columns + n : NULL;
      stripe.factor_scale = 1;
      stripe.left = scratch;
      stripe.right = all->right + n * rank;
      stripe.columns = columns_here;
      stripe.block_rows = most;
      stripe.partial = partial;
      if (is_paired) {
        const smk_low_rank other = {packed, second ? second->right + n * other_rank : NULL, other_rank};
        overflows += multiply_stripes(&stripe, second ? &other : NULL, rows_here, panels);
      } else {
        overflows += multiply_stripe(&stripe, rows_here, panels);
      }
    }
  }
  return overflows;
}

static void product_to_delta(int sets, float *delta, size_t delta_stride, const smk_low_rank *product, size_t rows,
                             size_t columns, float scale, float *scratch) {
  const struct run all = {
      .weight = (const char *)delta,
      .destination = (char *)delta,
      .destination_stride = delta_stride * sizeof *delta,
      .left = product->left,
      .right = product->right,
      .rank = product->rank,
      .scale = scale,
      .pair = sets ? SET_DELTA : ADD_TO_DELTA,
  };
  multiply(&all, NULL, rows, columns, 0, sizeof *delta, scratch);
}

static uint64_t merge_product(smk_dtype weight_dtype, const void *weight, const smk_low_rank *product,
                              const smk_multiplier *by, smk_dtype out_dtype, void *destination, size_t rows,
                              size_t columns, float scale, float *scratch) {
  const size_t in_size = smk_byte_count(weight_dtype), out_size = smk_byte_count(out_dtype);
  const struct run all = {
      .weight = weight,
      .weight_stride = columns * in_size,
      .destination = destination,
      .destination_stride = columns * out_size,
      .left = product->left,
      .right = product->right,
      .rank = product->rank,
      .scale = scale,
      .pair = PAIR(weight_dtype, out_dtype),
      .in = weight_dtype,
      .out = out_dtype,
  };
  return multiply(&all, by, rows, columns, in_size, out_size, scratch);
}
