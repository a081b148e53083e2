// Low-rank products, added to a delta or merged with the weights in the same pass. Included by kernel_body.h.

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

// The weights of the next rows come from memory while these are computed: the hardware fetches along a row, not down. The
// address may lie past the end, which a prefetch ignores.
SMK_INLINE void prefetch_row_below(const char *source, size_t byte_count) {
  __builtin_prefetch((const void *)((uintptr_t)source + byte_count), 0, 2);
}

// What becomes of the products: one of the pairs of dtypes, or this.
#define ADD_TO_DELTA 9
#define PAIR(in, out) ((in) * 3 + (out))

// Products of some rows with neighboring blocks of columns.
struct run {
  const char *weight;      // of the first block; not read when a delta is added to
  size_t weight_stride;    // bytes
  char *destination;
  size_t destination_stride;
  const float *left;       // packed: [k][rows], at this step's first k
  const float *right;      // packed, at this step's first k, in the first panel
  size_t rank;
  size_t depth;            // number of k in this step
  size_t columns;          // of all blocks; where less than a block, there is one
  float scale;
  float *partial;          // resting accumulators [rows][BLOCK_COLUMNS] of the one block; not read with one step
  int is_first, is_last;   // of the steps over k
  int pair;
  smk_dtype in, out;
};

#if HAS_BRISK_BF16_PAIRS
// merge_block to bf16 with an instruction that is not right for every value. Returns whether one may be among them.
SMK_INLINE int merge_block_briskly(const smk_dtype in, const size_t rows, const size_t vectors, const struct run *r,
                                   size_t first, const vector (*sums)[BLOCK_VECTORS]) {
  const size_t in_size = smk_byte_count(in), out_size = smk_byte_count(SMK_BF16);
  const size_t weight_stride = r->weight_stride, destination_stride = r->destination_stride;
  const vector scale = vector_broadcast(r->scale);
  const char *weight = r->weight + first * in_size;
  char *destination = r->destination + first * out_size;
  brisk_words seen = brisk_words_none();
  UNROLL
  for (size_t m = 0; m < rows; m++) {
    UNROLL
    for (size_t v = 0; v + 1 < vectors; v += 2) {
      const char *source = weight + m * weight_stride + v * VECTOR_WIDTH * in_size;
      char *target = destination + m * destination_stride + v * VECTOR_WIDTH * out_size;
      vector low, high;
      prefetch_row_below(source, rows * weight_stride);
      load_pair_as(in, source, &low, &high);
      low = vector_add(low, vector_multiply(scale, sums[m][v]));
      high = vector_add(high, vector_multiply(scale, sums[m][v + 1]));
      seen = vector_store_bf16_pair_briskly(target, low, high, seen);
    }
  }
  return brisk_words_may_be_wrong(seen);
}
#endif

// destination = round(weight + scale * sums) for a whole block. Returns whether a sum is not finite in the output's dtype:
// then the block is to be computed again.
SMK_INLINE int merge_block(const smk_dtype in, const smk_dtype out, const size_t rows, const size_t vectors,
                           const struct run *r, size_t first, const vector (*sums)[BLOCK_VECTORS]) {
  const size_t in_size = smk_byte_count(in), out_size = smk_byte_count(out);
  const size_t weight_stride = r->weight_stride, destination_stride = r->destination_stride;
  const vector scale = vector_broadcast(r->scale);
  const char *weight = r->weight + first * in_size;
  char *destination = r->destination + first * out_size;
#if HAS_BRISK_BF16_PAIRS
  if (out == SMK_BF16 && vectors % 2 == 0 && !merge_block_briskly(in, rows, vectors, r, first, sums)) return 0;
#endif
  magnitudes largest = magnitudes_zero();
  UNROLL
  for (size_t m = 0; m < rows; m++) {
    UNROLL
    for (size_t v = 0; v < vectors; v += 2) {
      const char *source = weight + m * weight_stride + v * VECTOR_WIDTH * in_size;
      char *target = destination + m * destination_stride + v * VECTOR_WIDTH * out_size;
      vector low, high;
      prefetch_row_below(source, rows * weight_stride);
      if (v + 1 == vectors) {
        low = vector_add(load_as(in, source), vector_multiply(scale, sums[m][v]));
        largest = magnitudes_max(largest, low);
        store_as(out, low, target);
        continue;
      }
      load_pair_as(in, source, &low, &high);
      low = vector_add(low, vector_multiply(scale, sums[m][v]));
      high = vector_add(high, vector_multiply(scale, sums[m][v + 1]));
      largest = magnitudes_max(magnitudes_max(largest, low), high);
      store_pair_as(out, low, high, target);
    }
  }
  return magnitudes_reach(largest, smk_first_overflow(out));
}

SMK_INLINE void add_block(const size_t rows, const size_t vectors, const struct run *r, size_t first,
                          const vector (*sums)[BLOCK_VECTORS]) {
  const size_t stride = r->destination_stride;
  const vector scale = vector_broadcast(r->scale);
  char *delta = r->destination + first * sizeof(float);
  UNROLL
  for (size_t m = 0; m < rows; m++) {
    UNROLL
    for (size_t v = 0; v < vectors; v++) {
      char *target = delta + m * stride + v * VECTOR_WIDTH * sizeof(float);
      vector_store(target, vector_add(vector_load(target), vector_multiply(scale, sums[m][v])));
    }
  }
}

// The same for any number of columns and any values, one element at a time. Returns the overflows.
static uint64_t finish_slowly(const struct run *r, size_t first, size_t rows, size_t columns,
                              const float (*products)[BLOCK_COLUMNS]) {
  uint64_t overflows = 0;
  for (size_t m = 0; m < rows; m++) {
    char *target = r->destination + m * r->destination_stride;
    if (r->pair == ADD_TO_DELTA) {
      for (size_t n = 0; n < columns; n++) {
        char *element = target + (first + n) * sizeof(float);
        float sum = smk_float(smk_load_u32(element)) + products[m][n];
        memcpy(element, &sum, sizeof sum);
      }
      continue;
    }
    overflows += smk_scalar_combine(
        r->in, r->weight + m * r->weight_stride + first * smk_byte_count(r->in), products[m], r->out,
        target + first * smk_byte_count(r->out), columns);
  }
  return overflows;
}

SMK_INLINE uint64_t multiply_run(const struct run *r, const size_t rows, const size_t panels) {
  const size_t vectors = panels * VECTORS_PER_PANEL;
  const size_t rank = r->rank, depth = r->depth;
  const size_t block_columns = panels * SMK_PANEL_COLUMNS;
  uint64_t overflows = 0;
  for (size_t first = 0; first < r->columns; first += block_columns) {
    const size_t columns = smaller(r->columns - first, block_columns);
    int is_special = columns < block_columns;
  again:;
    vector sums[BLOCK_ROWS][BLOCK_VECTORS];
    UNROLL
    for (size_t m = 0; m < rows; m++) {
      UNROLL
      for (size_t v = 0; v < vectors; v++) {
        sums[m][v] = r->is_first ? vector_zero() : vector_load(r->partial + m * BLOCK_COLUMNS + v * VECTOR_WIDTH);
      }
    }
    const float *left = r->left;
    const float *right = r->right + first * rank;
    for (size_t k = 0; k < depth; k++) {
      vector row[BLOCK_VECTORS];
      UNROLL
      for (size_t v = 0; v < vectors; v++) {
        size_t panel = v / VECTORS_PER_PANEL, lane = v % VECTORS_PER_PANEL * VECTOR_WIDTH;
        row[v] = vector_load(right + panel * rank * SMK_PANEL_COLUMNS + lane);
      }
      UNROLL
      for (size_t m = 0; m < rows; m++) {
        vector factor = vector_broadcast(left[m]);
        UNROLL
        for (size_t v = 0; v < vectors; v++) sums[m][v] = vector_fma(factor, row[v], sums[m][v]);
      }
      left += rows;
      right += SMK_PANEL_COLUMNS;
    }
    if (!r->is_last) {
      UNROLL
      for (size_t m = 0; m < rows; m++) {
        UNROLL
        for (size_t v = 0; v < vectors; v++) {
          vector_store(r->partial + m * BLOCK_COLUMNS + v * VECTOR_WIDTH, sums[m][v]);
        }
      }
      continue;
    }
    if (__builtin_expect(!is_special, 1)) {
#define MERGE(in, out) \
  case PAIR(SMK_##in, SMK_##out): is_special = merge_block(SMK_##in, SMK_##out, rows, vectors, r, first, sums); break;
      switch (r->pair) {
        MERGE(BF16, BF16) MERGE(F16, F16) MERGE(F32, F32)
        MERGE(BF16, F16) MERGE(BF16, F32) MERGE(F16, BF16) MERGE(F16, F32) MERGE(F32, BF16) MERGE(F32, F16)
        default: add_block(rows, vectors, r, first, sums);
      }
#undef MERGE
      if (__builtin_expect(!is_special, 1)) continue;
      goto again;
    }
    const vector scale = vector_broadcast(r->scale);
    float products[BLOCK_ROWS][BLOCK_COLUMNS];
    UNROLL
    for (size_t m = 0; m < rows; m++) {
      UNROLL
      for (size_t v = 0; v < vectors; v++) {
        vector_store(products[m] + v * VECTOR_WIDTH, vector_multiply(scale, sums[m][v]));
      }
    }
    overflows += finish_slowly(r, first, rows, columns, (const float (*)[BLOCK_COLUMNS])products);
  }
  return overflows;
}

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

// The height of the next of the blocks that `rows` rows are cut into, all of about the same: 8 rows go faster as 4 + 4
// than as 6 + 2.
SMK_INLINE size_t block_height(size_t rows, size_t rank) {
  const size_t most = rank <= SHALLOW_RANK ? SHALLOW_BLOCK_ROWS : BLOCK_ROWS;
  size_t blocks = (rows + most - 1) / most;
  return (rows + blocks - 1) / blocks;
}

// packed[block][k][row of the block]
static void pack_blocks(const float *left, size_t rows, size_t rank, float *packed) {
  for (size_t m = 0, height; m < rows; m += height) {
    height = block_height(rows - m, rank);
    for (size_t k = 0; k < rank; k++) {
      for (size_t i = 0; i < height; i++) packed[m * rank + k * height + i] = left[(m + i) * rank + k];
    }
  }
}

// All columns of a stripe for some rows, step by step over k.
static uint64_t multiply_stripe(const struct run *stripe, size_t rows, size_t panels, float *partial) {
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
      height = block_height(rows - m, rank);
      r.weight = stripe->weight + m * stripe->weight_stride;
      r.destination = stripe->destination + m * stripe->destination_stride;
      r.left = stripe->left + m * rank + k * height;
      r.partial = partial + m * BLOCK_COLUMNS;
      overflows += run_functions[panels > 1][height - 1](&r);
    }
    k += r.depth;
  } while (k < rank);
  return overflows;
}

// `all`: its pair with dtypes, weight, destination and their strides, scale, rank and right are set.
static uint64_t multiply(const struct run *all, const float *left, size_t rows, size_t columns, size_t in_size,
                         size_t out_size, float *scratch) {
  float partial[ROW_STEP * BLOCK_COLUMNS];
  const size_t rank = all->rank;
  const size_t stripe_bytes = rank <= SHALLOW_RANK ? SHALLOW_STRIPE_BYTES : STRIPE_BYTES;
  const size_t blocks = rank > DEPTH_STEP ? 1 : stripe_bytes / sizeof(float) / BLOCK_COLUMNS / (rank + 1);
  const size_t stripe_columns = (blocks > 0 ? blocks : 1) * BLOCK_COLUMNS;
  uint64_t overflows = 0;
  for (size_t first_row = 0; first_row < rows; first_row += ROW_STEP) {
    const size_t rows_here = smaller(rows - first_row, ROW_STEP);
    pack_blocks(left + first_row * rank, rows_here, rank, scratch);
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
      stripe.left = scratch;
      stripe.right = all->right + n * rank;
      stripe.columns = columns_here;
      overflows += multiply_stripe(&stripe, rows_here, panels, partial);
    }
  }
  return overflows;
}

static void add_low_rank(float *delta, size_t delta_stride, const float *left, const float *packed_right, size_t rows,
                         size_t columns, size_t rank, float scale, float *scratch) {
  const struct run all = {
      .weight = (const char *)delta,
      .destination = (char *)delta,
      .destination_stride = delta_stride * sizeof *delta,
      .right = packed_right,
      .rank = rank,
      .scale = scale,
      .pair = ADD_TO_DELTA,
  };
  multiply(&all, left, rows, columns, 0, sizeof *delta, scratch);
}

static uint64_t merge_low_rank(smk_dtype weight_dtype, const void *weight, const float *left,
                               const float *packed_right, smk_dtype out_dtype, void *destination, size_t rows,
                               size_t columns, size_t rank, float scale, float *scratch) {
  const size_t in_size = smk_byte_count(weight_dtype), out_size = smk_byte_count(out_dtype);
  const struct run all = {
      .weight = weight,
      .weight_stride = columns * in_size,
      .destination = destination,
      .destination_stride = columns * out_size,
      .right = packed_right,
      .rank = rank,
      .scale = scale,
      .pair = PAIR(weight_dtype, out_dtype),
      .in = weight_dtype,
      .out = out_dtype,
  };
  return multiply(&all, left, rows, columns, in_size, out_size, scratch);
}
