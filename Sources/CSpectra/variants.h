// The variants of the loops in spectra_body.h.
#ifndef CSPECTRA_VARIANTS_H
#define CSPECTRA_VARIANTS_H

#include "CSpectra.h"

#define DECLARE(variant)                                                                                       \
  void csp_##variant##_gram(const float *vectors, size_t count, size_t length, double *gram);                  \
  void csp_##variant##_products(const float *ones, size_t one_count, const float *others, size_t other_count,  \
                                size_t length, double *products);                                              \
  void csp_##variant##_combine(const double *factors, size_t rows, size_t count, const float *vectors,         \
                               size_t length, float *results);                                                 \
  double csp_##variant##_squares(const float *values, size_t count);                                           \
  void csp_##variant##_transpose(const float *values, size_t rows, size_t columns, float *transposed);         \
  int csp_##variant##_eigen(double *matrix, size_t count, double *values, double *vectors, double *work,       \
                            size_t capacity);

DECLARE(baseline)
#if defined(__x86_64__)
DECLARE(avx2)
#endif

#endif
