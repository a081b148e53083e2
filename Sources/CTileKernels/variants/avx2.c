// 8 lanes: AVX2, FMA and F16C (x86-64-v3; Intel since 2013, AMD since 2015).
#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "../bodies/scalar.h"

#define VARIANT avx2
#define VECTOR_WIDTH 8
#define BLOCK_ROWS 6
#define BLOCK_PANELS 1
#define UNROLL _Pragma("clang loop unroll(full)")

typedef __m256 vector;
typedef __m256i magnitudes;

SMK_INLINE vector vector_zero(void) { return _mm256_setzero_ps(); }
SMK_INLINE vector vector_load(const void *source) { return _mm256_loadu_ps(source); }
SMK_INLINE void vector_store(void *destination, vector v) { _mm256_storeu_ps(destination, v); }
SMK_INLINE vector vector_broadcast(float value) { return _mm256_set1_ps(value); }
SMK_INLINE vector vector_add(vector a, vector b) { return _mm256_add_ps(a, b); }
SMK_INLINE vector vector_subtract(vector a, vector b) { return _mm256_sub_ps(a, b); }
SMK_INLINE vector vector_multiply(vector a, vector b) { return _mm256_mul_ps(a, b); }
SMK_INLINE vector vector_fma(vector a, vector b, vector c) { return _mm256_fmadd_ps(a, b, c); }

SMK_INLINE vector vector_load_f16(const void *source) { return _mm256_cvtph_ps(_mm_loadu_si128(source)); }
SMK_INLINE vector vector_load_bf16(const void *source) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(source)), 16));
}
SMK_INLINE void vector_store_f16(void *destination, vector v) {
  _mm_storeu_si128(destination, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
SMK_INLINE void vector_store_bf16(void *destination, vector v) {
  __m256i bits = _mm256_castps_si256(v);
  __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  __m256i high = _mm256_srli_epi32(rounded, 16);
  __m128i narrow = _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
  _mm_storeu_si128(destination, narrow);
}

// 16 values at once, with fewer shuffles and shifts, of which a core does two at a time.
#define HAS_BF16_PAIRS 1
SMK_INLINE void vector_load_bf16_pair(const void *source, vector *low, vector *high) {
  __m256i words = _mm256_permute4x64_epi64(_mm256_loadu_si256(source), 0xd8);
  *low = _mm256_castsi256_ps(_mm256_unpacklo_epi16(_mm256_setzero_si256(), words));
  *high = _mm256_castsi256_ps(_mm256_unpackhi_epi16(_mm256_setzero_si256(), words));
}
SMK_INLINE __m256i rounded_bf16(vector v) {
  const __m256i lowest = _mm256_set1_epi32(0x10000);
  __m256i bits = _mm256_castps_si256(v);
  __m256i odd = _mm256_cmpeq_epi32(_mm256_and_si256(bits, lowest), lowest);
  return _mm256_srli_epi32(_mm256_sub_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
}
SMK_INLINE void vector_store_bf16_pair(void *destination, vector low, vector high) {
  __m256i words = _mm256_packus_epi32(rounded_bf16(low), rounded_bf16(high));
  _mm256_storeu_si256(destination, _mm256_permute4x64_epi64(words, 0xd8));
}

SMK_INLINE magnitudes magnitudes_zero(void) { return _mm256_setzero_si256(); }
SMK_INLINE magnitudes magnitudes_max(magnitudes m, vector v) {
  return _mm256_max_epi32(m, _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7fffffff)));
}
SMK_INLINE int magnitudes_reach(magnitudes m, uint32_t bits) {
  return _mm256_movemask_epi8(_mm256_cmpgt_epi32(m, _mm256_set1_epi32((int)bits - 1))) != 0;
}

#define HAS_LOOKUP 1
typedef struct {
  __m256 low, high;
} lookup;
SMK_INLINE lookup lookup_of(const float *numbers) {
  return (lookup){_mm256_loadu_ps(numbers), _mm256_loadu_ps(numbers + 8)};
}
SMK_INLINE __m256 lookup_8(lookup numbers, __m128i codes) {
  __m256i places = _mm256_cvtepu8_epi32(codes);
  // The sign of each place says whether its number is in the upper half.
  __m256 is_high = _mm256_castsi256_ps(_mm256_slli_epi32(places, 28));
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(numbers.low, places),
                          _mm256_permutevar8x32_ps(numbers.high, places), is_high);
}
SMK_INLINE void lookup_16(lookup numbers, smk_bytes codes, vector *values) {
  values[0] = lookup_8(numbers, (__m128i)codes);
  values[1] = lookup_8(numbers, _mm_srli_si128((__m128i)codes, 8));
}

#include "../bodies/kernel_body.h"

#pragma clang attribute pop

#endif
