// The functions of one instruction set.
#ifndef CPLAINARITHMETIC_VARIANTS_H
#define CPLAINARITHMETIC_VARIANTS_H

#include "CPlainArithmetic.h"

#define DECLARE_VARIANT(variant)                                                                                       \
  void spa_##variant##_widen(spa_dtype, const void *, size_t, float *);                                                \
  void spa_##variant##_round(spa_dtype, const float *, size_t, void *);                                                \
  void spa_##variant##_product_f32(const float *, const float *, size_t, size_t, float *);                             \
  void spa_##variant##_product_f64(const float *, const float *, size_t, size_t, double *);                            \
  void spa_##variant##_spreads(const float *, const float *, size_t, size_t, double *);                                \
  void spa_##variant##_add_scaled_f32(float *, const float *, size_t, float);                                          \
  void spa_##variant##_add_scaled_f64(double *, const double *, size_t, double);                                       \
  void spa_##variant##_start(const float *, size_t, float *, double *, double *);                                      \
  void spa_##variant##_clear(float *, double *, size_t);                                                               \
  void spa_##variant##_accumulate(float *, double *, double *, const float *, const double *, size_t);                 \
  void spa_##variant##_settle_nans(const float *, float *, size_t);                                                    \
  float spa_##variant##_norm_in_lanes(const float *, size_t);                                                          \
  void spa_##variant##_count_nonfinite(spa_dtype, const void *, size_t, uint64_t *, uint64_t *);                       \
  double spa_##variant##_spacing(spa_dtype, double);                                                                   \
  spa_comparison spa_##variant##_compare(spa_dtype, const void *, const double *, const double *, const void *,        \
                                         size_t, uint8_t *);                                                           \
  spa_difference spa_##variant##_difference_of(spa_dtype, const void *, spa_dtype, const void *, size_t);

DECLARE_VARIANT(baseline)
#if defined(__x86_64__)
DECLARE_VARIANT(avx2)
#endif

#endif
