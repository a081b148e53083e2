// The loops for AVX-512.
#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "lanes.h"
#include "variants.h"

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c"))), apply_to = function)

static inline __attribute__((always_inline)) floats widened_f16(halves h) {
  __m256i half;
  memcpy(&half, &h, sizeof half);
  __m512 wide = _mm512_cvtph_ps(half);
  floats result;
  memcpy(&result, &wide, sizeof result);
  return result;
}

#define WIDEN_F16
#define ADD_SQUARE(squares, wide) __builtin_elementwise_fma(wide, wide, squares)
#define SCAN cts_scan_avx512
#include "scan_body.h"

#pragma clang attribute pop

#endif
