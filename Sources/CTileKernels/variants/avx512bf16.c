// The same with one instruction that rounds to bf16 (AVX512_BF16: Intel servers since 2020, AMD since 2022).
#if defined(__x86_64__)

#include <immintrin.h>

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c"))), apply_to = function)

#define VARIANT avx512bf16
#include "avx512.h"

// VCVTNE2PS2BF16 rounds to nearest even whatever the control register says, but takes subnormal values for zero. What it
// makes of values that it does not round right is zero, infinite or NaN.
#define HAS_BRISK_BF16_PAIRS 1
typedef __m512i brisk_words;
SMK_INLINE brisk_words brisk_words_none(void) { return _mm512_setzero_si512(); }
// Stores 32 values and adds to what is known of all words stored: the maximum of 2 |word| - 1 modulo 2^16, in which zero
// is above everything and infinity and NaN next.
SMK_INLINE brisk_words vector_store_bf16_pair_briskly(void *destination, vector low, vector high, brisk_words seen) {
  __m512i words = (__m512i)_mm512_cvtne2ps_pbh(high, low);
  _mm512_storeu_si512(destination, words);
  __m512i order = _mm512_add_epi16(_mm512_add_epi16(words, words), _mm512_set1_epi16(-1));
  return _mm512_max_epu16(seen, order);
}
SMK_INLINE int brisk_words_may_be_wrong(brisk_words seen) {
  return _mm512_cmpge_epu16_mask(seen, _mm512_set1_epi16((short)0xfeff)) != 0;
}

#include "../bodies/kernel_body.h"

#pragma clang attribute pop

#endif
