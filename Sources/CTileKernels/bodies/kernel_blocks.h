// Rows and their products with blocks along a diagonal. Included by kernel_body.h.

// The register block: as many rows as keep the multipliers busy, of one panel, or two where registers are many.
#define DIAGONAL_ROWS (BLOCK_PANELS == 4 ? 8 : 4)
#define DIAGONAL_PANELS (BLOCK_PANELS == 4 ? 2 : 1)
#define DIAGONAL_VECTORS (DIAGONAL_PANELS * VECTORS_PER_PANEL)

typedef float float4 __attribute__((vector_size(16)));

// sums[i] + values[i] for a part of a panel.
SMK_INLINE void finish_row(const float *values, const float *sums, size_t count, float *sum) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    float4 value, product;
    memcpy(&value, values + i, sizeof value);
    memcpy(&product, sums + i, sizeof product);
    value += product;
    memcpy(sum + i, &value, sizeof value);
  }
  for (; i < count; i++) sum[i] = values[i] + sums[i];
}

// Some rows and columns of one block: `values` and `sums` begin at the block, `right` at the panel of column `first`.
SMK_INLINE void rotate_part(const size_t rows, const size_t panels, const float *values, size_t stride,
                            const float *right, size_t size, size_t first, size_t columns, float *sums) {
  const size_t vectors = panels * VECTORS_PER_PANEL;
  vector products[DIAGONAL_ROWS][DIAGONAL_VECTORS];
  UNROLL
  for (size_t m = 0; m < rows; m++) {
    UNROLL
    for (size_t v = 0; v < vectors; v++) products[m][v] = vector_zero();
  }
  for (size_t k = 0; k < size; k++) {
    vector row[DIAGONAL_VECTORS];
    UNROLL
    for (size_t v = 0; v < vectors; v++) {
      size_t panel = v / VECTORS_PER_PANEL, lane = v % VECTORS_PER_PANEL * VECTOR_WIDTH;
      row[v] = vector_load(right + (panel * size + k) * SMK_PANEL_COLUMNS + lane);
    }
    UNROLL
    for (size_t m = 0; m < rows; m++) {
      vector factor = vector_broadcast(values[m * stride + k]);
      UNROLL
      for (size_t v = 0; v < vectors; v++) products[m][v] = vector_fma(factor, row[v], products[m][v]);
    }
  }
  UNROLL
  for (size_t m = 0; m < rows; m++) {
    const float *value = values + m * stride + first;
    float *sum = sums + m * stride + first;
    if (__builtin_expect(columns == panels * SMK_PANEL_COLUMNS, 1)) {
      UNROLL
      for (size_t v = 0; v < vectors; v++) {
        vector_store(sum + v * VECTOR_WIDTH, vector_add(vector_load(value + v * VECTOR_WIDTH), products[m][v]));
      }
      continue;
    }
    float stored[DIAGONAL_PANELS * SMK_PANEL_COLUMNS];
    UNROLL
    for (size_t v = 0; v < vectors; v++) vector_store(stored + v * VECTOR_WIDTH, products[m][v]);
    finish_row(value, stored, columns, sum);
  }
}

#define DEFINE_ROTATE(rows, panels)                                                                                   \
  static void rotate_##rows##x##panels(const float *values, size_t stride, const float *right, size_t size,           \
                                       size_t first, size_t columns, float *sums) {                                   \
    rotate_part(rows, panels, values, stride, right, size, first, columns, sums);                                     \
  }
typedef void (*rotate_function)(const float *values, size_t stride, const float *right, size_t size, size_t first,
                                size_t columns, float *sums);

// By the binary logarithm of the rows.
DEFINE_ROTATE(1, 1) DEFINE_ROTATE(2, 1) DEFINE_ROTATE(4, 1)
#if BLOCK_PANELS == 4
DEFINE_ROTATE(8, 1) DEFINE_ROTATE(1, 2) DEFINE_ROTATE(2, 2) DEFINE_ROTATE(4, 2) DEFINE_ROTATE(8, 2)
static const rotate_function rotate_functions[2][4] = {{rotate_1x1, rotate_2x1, rotate_4x1, rotate_8x1},
                                                       {rotate_1x2, rotate_2x2, rotate_4x2, rotate_8x2}};
#else
static const rotate_function rotate_functions[1][3] = {{rotate_1x1, rotate_2x1, rotate_4x1}};
#endif

static void add_block_products(const float *values, size_t rows, size_t columns, const float *packed_blocks, size_t size,
                               size_t block_stride, float *sums) {
  for (size_t start = 0; start < columns; start += size, packed_blocks += block_stride) {
    for (size_t first = 0, here; first < size; first += here) {
      const size_t panels = size - first > SMK_PANEL_COLUMNS ? DIAGONAL_PANELS : 1;
      here = smaller(size - first, panels * SMK_PANEL_COLUMNS);
      const float *right = packed_blocks + first * size;
      for (size_t m = 0, height, power; m < rows; m += height) {
        height = DIAGONAL_ROWS, power = DIAGONAL_ROWS == 8 ? 3 : 2;
        while (height > rows - m) height /= 2, power--;
        const size_t place = m * columns + start;
        rotate_functions[panels - 1][power](values + place, columns, right, size, first, here, sums + place);
      }
    }
  }
}
