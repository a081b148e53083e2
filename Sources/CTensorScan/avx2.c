// The loops for AVX2, FMA and F16C.
#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "lanes.h"
#include "variants.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static inline __attribute__((always_inline)) floats widened_f16(halves h) {
  __m128i parts[2];
  memcpy(parts, &h, sizeof parts);
  __m256 wide[2] = {_mm256_cvtph_ps(parts[0]), _mm256_cvtph_ps(parts[1])};
  floats result;
  memcpy(&result, wide, sizeof result);
  return result;
}

#define WIDEN_F16
#define ADD_SQUARE(squares, wide) __builtin_elementwise_fma(wide, wide, squares)
#define SCAN cts_scan_avx2
#include "scan_body.h"

#pragma clang attribute pop

#endif
