// Rounding of one element up or down at random, in integers.
#ifndef SMK_SCALAR_STOCHASTIC_H
#define SMK_SCALAR_STOCHASTIC_H

#include "scalar.h"

// quotient + 1 with probability remainder / 2^shift, else quotient; exactly so as long as shift <= 32.
SMK_INLINE uint32_t smk_round_randomly(uint32_t quotient, uint32_t remainder, uint32_t shift, uint32_t random) {
  uint64_t scaled = (uint64_t)remainder << 32;
  uint64_t threshold = shift < 64 ? scaled >> shift : 0;
  return quotient + (random < threshold);
}

// For magnitudes below the largest finite one.
SMK_INLINE uint32_t smk_bf16_from_small_f32_randomly(uint32_t bits, uint32_t random) {
  return (bits >> 16) + (random < bits << 16);
}

SMK_INLINE uint32_t smk_bf16_from_f32_randomly(uint32_t bits, uint32_t random) {
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude >= smk_first_overflow(SMK_BF16)) return smk_bf16_from_f32(bits);
  if (magnitude >= 0x7f7f0000) return (bits >> 16 & 0x8000) | 0x7f7f;
  return smk_bf16_from_small_f32_randomly(bits, random);
}

// For magnitudes below the largest finite one.
SMK_INLINE uint32_t smk_f16_from_small_f32_randomly(uint32_t bits, uint32_t random) {
  uint32_t sign = bits >> 16 & 0x8000;
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x38800000) {  // 2^-14: the smallest normal f16
    uint32_t rebiased = magnitude - (112u << 23);
    return sign | ((rebiased >> 13) + (random < rebiased << 19));
  }
  uint32_t exponent = magnitude >> 23;
  uint32_t significand = magnitude & 0x7fffff;
  if (exponent == 0) exponent = 1;
  else significand |= 0x800000;
  uint32_t shift = 126 - exponent;  // 14 or more
  if (shift > 31) return sign | smk_round_randomly(0, significand, shift, random);
  return sign | smk_round_randomly(significand >> shift, significand & ((1u << shift) - 1), shift, random);
}

SMK_INLINE uint32_t smk_f16_from_f32_randomly(uint32_t bits, uint32_t random) {
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude >= smk_first_overflow(SMK_F16)) return smk_f16_from_f32(bits);
  if (magnitude >= 0x477fe000) return (bits >> 16 & 0x8000) | 0x7bff;
  return smk_f16_from_small_f32_randomly(bits, random);
}

#endif
