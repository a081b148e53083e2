#include "variants.h"

#if defined(__x86_64__)
#define CALL(name, ...) \
  (__builtin_cpu_supports("avx2") ? csp_avx2_##name(__VA_ARGS__) : csp_baseline_##name(__VA_ARGS__))
#else
#define CALL(name, ...) csp_baseline_##name(__VA_ARGS__)
#endif

void csp_gram(const float *vectors, size_t count, size_t length, double *gram) { CALL(gram, vectors, count, length, gram); }

void csp_products(const float *ones, size_t one_count, const float *others, size_t other_count, size_t length,
                  double *products) {
  CALL(products, ones, one_count, others, other_count, length, products);
}

void csp_combine(const double *factors, size_t rows, size_t count, const float *vectors, size_t length, float *results) {
  CALL(combine, factors, rows, count, vectors, length, results);
}

double csp_squares(const float *values, size_t count) { return CALL(squares, values, count); }

void csp_transpose(const float *values, size_t rows, size_t columns, float *transposed) {
  CALL(transpose, values, rows, columns, transposed);
}

// Rotations that wait until they are applied together.
static size_t rotation_capacity(size_t count) { return 8 * count + 64; }

size_t csp_eigen_work(size_t count) { return 3 * count + 3 * rotation_capacity(count); }

int csp_eigen(double *matrix, size_t count, double *values, double *vectors, double *work) {
  return CALL(eigen, matrix, count, values, vectors, work, rotation_capacity(count));
}
