#include <string.h>

#include "variants.h"

#if defined(__x86_64__)
static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#define CALL(name, ...) (has_avx2() ? spa_avx2_##name(__VA_ARGS__) : spa_baseline_##name(__VA_ARGS__))
#else
#define CALL(name, ...) spa_baseline_##name(__VA_ARGS__)
#endif

void spa_widen(spa_dtype dtype, const void *source, size_t count, float *destination) {
  CALL(widen, dtype, source, count, destination);
}

void spa_round(spa_dtype dtype, const float *source, size_t count, void *destination) {
  CALL(round, dtype, source, count, destination);
}

void spa_product_f32(const float *left, const float *right, size_t rank, size_t columns, float *sums) {
  CALL(product_f32, left, right, rank, columns, sums);
}

void spa_product_f64(const float *left, const float *right, size_t rank, size_t columns, double *sums) {
  CALL(product_f64, left, right, rank, columns, sums);
}

void spa_spreads(const float *left, const float *right, size_t rank, size_t columns, double *sums) {
  CALL(spreads, left, right, rank, columns, sums);
}

void spa_add_scaled_f32(float *delta, const float *values, size_t count, float scale) {
  CALL(add_scaled_f32, delta, values, count, scale);
}

void spa_add_scaled_f64(double *delta, const double *values, size_t count, double scale) {
  CALL(add_scaled_f64, delta, values, count, scale);
}

void spa_start(const float *weights, size_t count, float *values, double *exact, double *scales) {
  CALL(start, weights, count, values, exact, scales);
}

void spa_clear(float *delta, double *exact_delta, size_t count) { CALL(clear, delta, exact_delta, count); }

void spa_accumulate(float *values, double *exact, double *scales, const float *delta, const double *exact_delta,
                    size_t count) {
  CALL(accumulate, values, exact, scales, delta, exact_delta, count);
}

void spa_settle_nans(const float *weights, float *values, size_t count) { CALL(settle_nans, weights, values, count); }

float spa_norm_in_lanes(const float *values, size_t count) { return CALL(norm_in_lanes, values, count); }

void spa_count_nonfinite(spa_dtype dtype, const void *source, size_t count, uint64_t *nan_count,
                         uint64_t *infinity_count) {
  CALL(count_nonfinite, dtype, source, count, nan_count, infinity_count);
}

double spa_spacing(spa_dtype dtype, double value) { return CALL(spacing, dtype, value); }

spa_comparison spa_compare(spa_dtype dtype, const void *found, const double *exact, const double *scales,
                           const void *expected, size_t count, uint8_t *flags) {
  return CALL(compare, dtype, found, exact, scales, expected, count, flags);
}

spa_difference spa_difference_of(spa_dtype left_dtype, const void *left, spa_dtype right_dtype, const void *right,
                                 size_t count) {
  return CALL(difference_of, left_dtype, left, right_dtype, right, count);
}

int spa_are_equal(const void *left, const void *right, size_t count) { return memcmp(left, right, count) == 0; }
