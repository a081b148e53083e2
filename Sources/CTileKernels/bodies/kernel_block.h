// Products of one register block, and the pass that scales, adds and rounds them. Included by kernel_product.h.

// The weights of the next rows come from memory while these are computed: the hardware fetches along a row, not down. The
// address may lie past the end, which a prefetch ignores.
SMK_INLINE void prefetch_row_below(const char *source, size_t byte_count) {
  __builtin_prefetch((const void *)((uintptr_t)source + byte_count), 0, 2);
}

// The use of the products: one of the pairs of dtypes, or one of these.
#define ADD_TO_DELTA 9
#define SET_DELTA 10
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
  const float *factors;    // what the sums are multiplied by before all else, of the first block, or NULL
  size_t factor_stride;    // from row to row; 0: the rows share them
  float factor_scale;      // of the sums before that
  float scale;
  size_t block_rows;       // the most rows of a block
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

SMK_INLINE void set_block(const size_t rows, const size_t vectors, const struct run *r, size_t first,
                          const vector (*sums)[BLOCK_VECTORS]) {
  const vector scale = vector_broadcast(r->scale);
  UNROLL
  for (size_t m = 0; m < rows; m++) {
    UNROLL
    for (size_t v = 0; v < vectors; v++) {
      char *target = r->destination + m * r->destination_stride + (first + v * VECTOR_WIDTH) * sizeof(float);
      vector_store(target, vector_multiply(scale, sums[m][v]));
    }
  }
}

SMK_INLINE void multiply_block(const size_t rows, const size_t vectors, const struct run *r, size_t first,
                               vector (*sums)[BLOCK_VECTORS]) {
  const vector scale = vector_broadcast(r->factor_scale);
  UNROLL
  for (size_t m = 0; m < rows; m++) {
    UNROLL
    for (size_t v = 0; v < vectors; v++) {
      const float *factors = r->factors + m * r->factor_stride + first + v * VECTOR_WIDTH;
      sums[m][v] = vector_multiply(vector_multiply(scale, sums[m][v]), vector_load(factors));
    }
  }
}

// The same for any number of columns and any values, one element at a time. Returns the overflows.
static uint64_t finish_slowly(const struct run *r, size_t first, size_t rows, size_t columns,
                              float (*products)[BLOCK_COLUMNS]) {
  uint64_t overflows = 0;
  for (size_t m = 0; m < rows; m++) {
    for (size_t n = 0; n < columns; n++) {
      float sum = products[m][n];
      if (r->factors) {
        sum *= r->factor_scale;
        sum *= r->factors[m * r->factor_stride + first + n];
      }
      products[m][n] = r->scale * sum;
    }
    char *target = r->destination + m * r->destination_stride;
    if (r->pair == SET_DELTA) {
      memcpy(target + first * sizeof(float), products[m], columns * sizeof(float));
      continue;
    }
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
      if (r->factors) multiply_block(rows, vectors, r, first, sums);
#define MERGE(in, out) \
  case PAIR(SMK_##in, SMK_##out): is_special = merge_block(SMK_##in, SMK_##out, rows, vectors, r, first, sums); break;
      switch (r->pair) {
        MERGE(BF16, BF16) MERGE(F16, F16) MERGE(F32, F32)
        MERGE(BF16, F16) MERGE(BF16, F32) MERGE(F16, BF16) MERGE(F16, F32) MERGE(F32, BF16) MERGE(F32, F16)
        case SET_DELTA: set_block(rows, vectors, r, first, sums); break;
        default: add_block(rows, vectors, r, first, sums);
      }
#undef MERGE
      if (__builtin_expect(!is_special, 1)) continue;
      goto again;
    }
    float products[BLOCK_ROWS][BLOCK_COLUMNS];
    UNROLL
    for (size_t m = 0; m < rows; m++) {
      UNROLL
      for (size_t v = 0; v < vectors; v++) vector_store(products[m] + v * VECTOR_WIDTH, sums[m][v]);
    }
    overflows += finish_slowly(r, first, rows, columns, products);
  }
  return overflows;
}
