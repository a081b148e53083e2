// Products of rows of fp32 with vectors of fp64, accumulated in fp64. Included by kernel_body.h behind kernel_norms.h, whose
// lanes these are.

#define PROJECTION_VECTORS 2

SMK_INLINE void projections_of_rows(const float *values, const size_t rows, size_t columns, const double *vectors,
                                    const size_t count, float *products, size_t stride) {
  double8 sums[NORM_ROWS][PROJECTION_VECTORS] = {0};
  size_t n = 0;
  for (; n + LANES <= columns; n += LANES) {
    double8 vector[PROJECTION_VECTORS];
    UNROLL
    for (size_t k = 0; k < count; k++) memcpy(&vector[k], vectors + k * columns + n, sizeof vector[k]);
    UNROLL
    for (size_t m = 0; m < rows; m++) {
      float8 narrow;
      memcpy(&narrow, values + m * columns + n, sizeof narrow);
      double8 wide = __builtin_convertvector(narrow, double8);
      UNROLL
      for (size_t k = 0; k < count; k++) sums[m][k] += wide * vector[k];
    }
  }
  for (size_t m = 0; m < rows; m++) {
    for (size_t k = 0; k < count; k++) {
      double total = 0;
      for (size_t lane = 0; lane < LANES; lane++) total += sums[m][k][lane];
      for (size_t i = n; i < columns; i++) total += (double)values[m * columns + i] * vectors[k * columns + i];
      products[m * stride + k] = (float)total;
    }
  }
}

SMK_INLINE void projections_of_some(const float *values, const size_t rows, size_t columns, const double *vectors,
                                    size_t count, float *products) {
  size_t k = 0;
  for (; k + PROJECTION_VECTORS <= count; k += PROJECTION_VECTORS) {
    projections_of_rows(values, rows, columns, vectors + k * columns, PROJECTION_VECTORS, products + k, count);
  }
  for (; k < count; k++) projections_of_rows(values, rows, columns, vectors + k * columns, 1, products + k, count);
}

static void row_projections(const float *values, size_t rows, size_t columns, const double *vectors, size_t count,
                            float *products) {
  size_t m = 0;
  for (; m + NORM_ROWS <= rows; m += NORM_ROWS) {
    projections_of_some(values + m * columns, NORM_ROWS, columns, vectors, count, products + m * count);
  }
  for (; m < rows; m++) projections_of_some(values + m * columns, 1, columns, vectors, count, products + m * count);
}
