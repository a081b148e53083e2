// One element at a time, with integer conversions only: the portable variant, the ends of rows, and every element for
// which NaN or overflow matters, in all variants.
#ifndef SMK_SCALAR_H
#define SMK_SCALAR_H

#include <string.h>

#include "../variants/variant.h"

SMK_INLINE uint32_t smk_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

SMK_INLINE float smk_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

SMK_INLINE uint32_t smk_load_u32(const void *source) {
  uint32_t bits;
  memcpy(&bits, source, sizeof bits);
  return bits;
}

SMK_INLINE uint32_t smk_load_u16(const void *source) {
  uint16_t bits;
  memcpy(&bits, source, sizeof bits);
  return bits;
}

SMK_INLINE void smk_store_u16(void *destination, uint32_t bits) {
  uint16_t narrow = (uint16_t)bits;
  memcpy(destination, &narrow, sizeof narrow);
}

SMK_INLINE int smk_is_nan(uint32_t bits) { return (bits & 0x7fffffff) > 0x7f800000; }

SMK_INLINE int smk_is_finite(uint32_t bits) { return (bits & 0x7f800000) != 0x7f800000; }

SMK_INLINE uint32_t smk_f32_from_f16(uint32_t half) {
  uint32_t sign = (half & 0x8000) << 16;
  uint32_t magnitude = half & 0x7fff;
  if (magnitude > 0x7c00) return sign | 0x7fc00000 | (magnitude & 0x3ff) << 13;
  if (magnitude == 0x7c00) return sign | 0x7f800000;
  if (magnitude >= 0x0400) return sign | ((magnitude << 13) + (112u << 23));
  return sign | smk_bits((float)(int32_t)magnitude * 0x1p-24f);
}

SMK_INLINE uint32_t smk_f16_from_f32(uint32_t bits) {
  uint32_t sign = bits >> 16 & 0x8000;
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // 65520: half way from the largest f16 to the next power
  if (magnitude >= 0x38800000) {                      // 2^-14: the smallest normal f16
    uint32_t rebiased = magnitude - (112u << 23);
    return sign | (rebiased + 0xfff + (rebiased >> 13 & 1)) >> 13;
  }
  uint32_t exponent = magnitude >> 23;
  if (exponent < 102) return sign;  // below 2^-25, half of the smallest subnormal f16
  uint32_t significand = (magnitude & 0x7fffff) | 0x800000;
  uint32_t shift = 126 - exponent;
  uint32_t quotient = significand >> shift;
  uint32_t remainder = significand & ((1u << shift) - 1);
  uint32_t half = 1u << (shift - 1);
  return sign | (quotient + (remainder > half || (remainder == half && (quotient & 1))));
}

SMK_INLINE uint32_t smk_bf16_from_f32(uint32_t bits) {
  if (smk_is_nan(bits)) return bits >> 16 | 0x40;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// `value`, which was computed from the weight `w`; if it is a NaN, the one to write. Which NaN an operation returns
// differs between CPUs.
SMK_INLINE uint32_t smk_settle_nan(uint32_t w, uint32_t value) {
  if (!smk_is_nan(value)) return value;
  return smk_is_nan(w) ? w | 0x00400000 : 0x7fc00000;
}

// The smallest fp32 magnitude that is not finite after rounding to `dtype`.
SMK_INLINE uint32_t smk_first_overflow(smk_dtype dtype) {
  switch (dtype) {
    case SMK_F32: return 0x7f800000;
    case SMK_F16: return 0x477ff000;
    case SMK_BF16: return 0x7f7f8000;
  }
  return 0;
}

SMK_INLINE uint32_t smk_scalar_load(smk_dtype dtype, const void *source) {
  switch (dtype) {
    case SMK_F32: return smk_load_u32(source);
    case SMK_F16: return smk_f32_from_f16(smk_load_u16(source));
    case SMK_BF16: return smk_load_u16(source) << 16;
  }
  return 0;
}

SMK_INLINE void smk_scalar_store(smk_dtype dtype, uint32_t bits, void *destination) {
  switch (dtype) {
    case SMK_F32: memcpy(destination, &bits, sizeof bits); break;
    case SMK_F16: smk_store_u16(destination, smk_f16_from_f32(bits)); break;
    case SMK_BF16: smk_store_u16(destination, smk_bf16_from_f32(bits)); break;
  }
}

SMK_INLINE void smk_scalar_widen(smk_dtype dtype, const char *source, size_t count, float *destination) {
  for (size_t i = 0; i < count; i++) {
    // Through integers: moving a signalling NaN as a float may change it.
    uint32_t bits = smk_scalar_load(dtype, source + i * smk_byte_count(dtype));
    memcpy(destination + i, &bits, sizeof bits);
  }
}

SMK_INLINE uint64_t smk_scalar_combine(smk_dtype weight_dtype, const char *weight, const float *delta,
                                       smk_dtype out_dtype, char *destination, size_t count) {
  uint64_t overflows = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t w = smk_scalar_load(weight_dtype, weight + i * smk_byte_count(weight_dtype));
    uint32_t sum = smk_settle_nan(w, smk_bits(smk_float(w) + delta[i]));
    overflows += smk_is_finite(w) && (sum & 0x7fffffff) >= smk_first_overflow(out_dtype);
    smk_scalar_store(out_dtype, sum, destination + i * smk_byte_count(out_dtype));
  }
  return overflows;
}

#endif
