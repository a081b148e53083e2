// Vectors of 16 lanes with AVX-512 F, BW, DQ and VL, for the variants that have them. Included with a target attribute.
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "../bodies/scalar.h"

#define VECTOR_WIDTH 16
#define BLOCK_ROWS 4
#define BLOCK_PANELS 4
#define UNROLL _Pragma("clang loop unroll(full)")

typedef __m512 vector;
typedef __m512i magnitudes;

SMK_INLINE vector vector_zero(void) { return _mm512_setzero_ps(); }
SMK_INLINE vector vector_load(const void *source) { return _mm512_loadu_ps(source); }
SMK_INLINE void vector_store(void *destination, vector v) { _mm512_storeu_ps(destination, v); }
SMK_INLINE vector vector_broadcast(float value) { return _mm512_set1_ps(value); }
SMK_INLINE vector vector_add(vector a, vector b) { return _mm512_add_ps(a, b); }
SMK_INLINE vector vector_subtract(vector a, vector b) { return _mm512_sub_ps(a, b); }
SMK_INLINE vector vector_multiply(vector a, vector b) { return _mm512_mul_ps(a, b); }
SMK_INLINE vector vector_fma(vector a, vector b, vector c) { return _mm512_fmadd_ps(a, b, c); }

SMK_INLINE vector vector_load_f16(const void *source) { return _mm512_cvtph_ps(_mm256_loadu_si256(source)); }
SMK_INLINE vector vector_load_bf16(const void *source) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(source)), 16));
}
SMK_INLINE void vector_store_f16(void *destination, vector v) {
  _mm256_storeu_si256(destination, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
SMK_INLINE void vector_store_bf16(void *destination, vector v) {
  __m512i bits = _mm512_castps_si512(v);
  __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  _mm256_storeu_si256(destination, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
}

// 32 values at once: one permutation of words widens, and one narrows.
#define HAS_BF16_PAIRS 1
SMK_INLINE vector widened_words(__m512i words, int first) {
  // Word 2 i + 1 of the result is word first + i, word 2 i is 0.
  const __m512i steps = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  __m512i places = _mm512_slli_epi32(_mm512_add_epi32(steps, _mm512_set1_epi32(first)), 16);
  return _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, places, words));
}
SMK_INLINE void vector_load_bf16_pair(const void *source, vector *low, vector *high) {
  __m512i words = _mm512_loadu_si512(source);
  *low = widened_words(words, 0);
  *high = widened_words(words, 16);
}
SMK_INLINE __m512i rounded_bf16(vector v) {
  __m512i bits = _mm512_castps_si512(v);
  __m512i rounded = _mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff));
  return _mm512_mask_add_epi32(rounded, _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000)), rounded,
                               _mm512_set1_epi32(1));
}
SMK_INLINE void vector_store_bf16_pair(void *destination, vector low, vector high) {
  // Word i is word 2 i + 1 of the two vectors one behind the other.
  const __m512i steps = _mm512_set_epi32(61, 57, 53, 49, 45, 41, 37, 33, 29, 25, 21, 17, 13, 9, 5, 1);
  const __m512i places = _mm512_or_si512(steps, _mm512_slli_epi32(_mm512_add_epi32(steps, _mm512_set1_epi32(2)), 16));
  _mm512_storeu_si512(destination, _mm512_permutex2var_epi16(rounded_bf16(low), places, rounded_bf16(high)));
}

SMK_INLINE magnitudes magnitudes_zero(void) { return _mm512_setzero_si512(); }
SMK_INLINE magnitudes magnitudes_max(magnitudes m, vector v) {
  return _mm512_max_epi32(m, _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(0x7fffffff)));
}
SMK_INLINE int magnitudes_reach(magnitudes m, uint32_t bits) {
  return _mm512_cmpge_epi32_mask(m, _mm512_set1_epi32((int)bits)) != 0;
}

#define HAS_LOOKUP 1
typedef __m512 lookup;
SMK_INLINE lookup lookup_of(const float *numbers) { return _mm512_loadu_ps(numbers); }
SMK_INLINE void lookup_16(lookup numbers, smk_bytes codes, vector *values) {
  *values = _mm512_permutexvar_ps(_mm512_cvtepu8_epi32((__m128i)codes), numbers);
}
