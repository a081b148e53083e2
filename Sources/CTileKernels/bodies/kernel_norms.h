// Norms along rows and down columns. Included by kernel_body.h.
//
// The order of a sum over a row has 8 lanes in every variant, whatever the width of its vectors: these types are
// compiled to as many instructions as that takes. Several rows at once hide the latency of the additions.

typedef float float8 __attribute__((vector_size(32)));
typedef double double8 __attribute__((vector_size(64)));

#define LANES 8
#define NORM_ROWS 4

SMK_INLINE void norms_of_rows(const float *values, const size_t rows, size_t columns, float *norms) {
  double8 sums[NORM_ROWS] = {0};
  size_t n = 0;
  for (; n + LANES <= columns; n += LANES) {
    UNROLL
    for (size_t m = 0; m < rows; m++) {
      float8 narrow;
      memcpy(&narrow, values + m * columns + n, sizeof narrow);
      double8 wide = __builtin_convertvector(narrow, double8);
      sums[m] += wide * wide;
    }
  }
  for (size_t m = 0; m < rows; m++) {
    for (size_t i = n; i < columns; i++) {
      double value = values[m * columns + i];
      sums[m][i - n] += value * value;
    }
    double total = sums[m][0];
    for (size_t lane = 1; lane < LANES; lane++) total += sums[m][lane];
    norms[m] = (float)__builtin_elementwise_sqrt(total);
  }
}

static void row_norms(const float *values, size_t rows, size_t columns, float *norms) {
  size_t m = 0;
  for (; m + NORM_ROWS <= rows; m += NORM_ROWS) norms_of_rows(values + m * columns, NORM_ROWS, columns, norms + m);
  for (; m < rows; m++) norms_of_rows(values + m * columns, 1, columns, norms + m);
}

SMK_INLINE void torch_norms_of_rows(const float *values, const size_t rows, size_t columns, float *norms) {
  float8 sums[NORM_ROWS] = {0};
  size_t n = 0;
  for (; n + LANES <= columns; n += LANES) {
    UNROLL
    for (size_t m = 0; m < rows; m++) {
      float8 value;
      memcpy(&value, values + m * columns + n, sizeof value);
      sums[m] += value * value;
    }
  }
  // Torch's compiler took the rest of a row four at a time, and fused what then remained.
  const size_t fused = n + (columns - n) / 4 * 4;
  for (size_t m = 0; m < rows; m++) {
    const float *row = values + m * columns;
    float total = sums[m][0];
    for (size_t lane = 1; lane < LANES; lane++) total += sums[m][lane];
    for (size_t i = n; i < fused; i++) {
      float square = row[i] * row[i];
      total += square;
    }
    for (size_t i = fused; i < columns; i++) total = fmaf(row[i], row[i], total);
    norms[m] = __builtin_elementwise_sqrt(total);
  }
}

static void torch_row_norms(const float *values, size_t rows, size_t columns, float *norms) {
  if (columns == 1) {
    for (size_t m = 0; m < rows; m++) norms[m] = smk_float(smk_bits(values[m]) & 0x7fffffff);
    return;
  }
  size_t m = 0;
  for (; m + NORM_ROWS <= rows; m += NORM_ROWS) {
    torch_norms_of_rows(values + m * columns, NORM_ROWS, columns, norms + m);
  }
  for (; m < rows; m++) torch_norms_of_rows(values + m * columns, 1, columns, norms + m);
}

// Rows that pass while the sums of 8 columns rest in registers; the order in which a sum grows is that of the rows.
#define SQUARE_ROWS 16

static void add_column_squares(const float *values, size_t row_stride, size_t rows, size_t columns, double *sums) {
  for (size_t first = 0; first < rows; first += SQUARE_ROWS) {
    const size_t end = first + smaller(rows - first, SQUARE_ROWS);
    size_t n = 0;
    for (; n + LANES <= columns; n += LANES) {
      double8 totals;
      memcpy(&totals, sums + n, sizeof totals);
      for (size_t m = first; m < end; m++) {
        float8 narrow;
        memcpy(&narrow, values + m * row_stride + n, sizeof narrow);
        double8 wide = __builtin_convertvector(narrow, double8);
        totals += wide * wide;
      }
      memcpy(sums + n, &totals, sizeof totals);
    }
    for (; n < columns; n++) {
      for (size_t m = first; m < end; m++) {
        double value = values[m * row_stride + n];
        sums[n] += value * value;
      }
    }
  }
}

static void torch_add_column_squares(const float *values, size_t row_stride, size_t rows, size_t columns, float *sums) {
  for (size_t first = 0; first < rows; first += SQUARE_ROWS) {
    const size_t end = first + smaller(rows - first, SQUARE_ROWS);
    size_t n = 0;
    for (; n + LANES <= columns; n += LANES) {
      float8 totals;
      memcpy(&totals, sums + n, sizeof totals);
      for (size_t m = first; m < end; m++) {
        float8 value;
        memcpy(&value, values + m * row_stride + n, sizeof value);
        totals += value * value;
      }
      memcpy(sums + n, &totals, sizeof totals);
    }
    for (; n < columns; n++) {
      for (size_t m = first; m < end; m++) {
        float square = values[m * row_stride + n] * values[m * row_stride + n];
        sums[n] += square;
      }
    }
  }
}

static void roots(const double *squares, size_t count, float *norms) {
  for (size_t i = 0; i < count; i++) norms[i] = (float)__builtin_elementwise_sqrt(squares[i]);
}

static void torch_roots(const float *squares, size_t count, float *norms) {
  for (size_t i = 0; i < count; i++) norms[i] = __builtin_elementwise_sqrt(squares[i]);
}
