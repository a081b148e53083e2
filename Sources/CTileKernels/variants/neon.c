// 4 lanes: what every AArch64 CPU has.
#if defined(__aarch64__)

#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "../bodies/scalar.h"

#define VARIANT neon
#define VECTOR_WIDTH 4
#define BLOCK_ROWS 6
#define BLOCK_PANELS 1
#define UNROLL _Pragma("clang loop unroll(full)")

typedef float32x4_t vector;
typedef uint32x4_t magnitudes;

// Through bytes where the source may be unaligned: an element load may assume its type's alignment.
SMK_INLINE uint16x4_t load_4x16(const void *source) { return vreinterpret_u16_u8(vld1_u8(source)); }
SMK_INLINE void store_4x16(void *destination, uint16x4_t v) { vst1_u8(destination, vreinterpret_u8_u16(v)); }

SMK_INLINE vector vector_zero(void) { return vdupq_n_f32(0); }
SMK_INLINE vector vector_load(const void *source) { return vreinterpretq_f32_u8(vld1q_u8(source)); }
SMK_INLINE void vector_store(void *destination, vector v) { vst1q_u8(destination, vreinterpretq_u8_f32(v)); }
SMK_INLINE vector vector_broadcast(float value) { return vdupq_n_f32(value); }
SMK_INLINE vector vector_add(vector a, vector b) { return vaddq_f32(a, b); }
SMK_INLINE vector vector_subtract(vector a, vector b) { return vsubq_f32(a, b); }
SMK_INLINE vector vector_multiply(vector a, vector b) { return vmulq_f32(a, b); }
SMK_INLINE vector vector_fma(vector a, vector b, vector c) { return vfmaq_f32(c, a, b); }

SMK_INLINE vector vector_load_f16(const void *source) {
  return vcvt_f32_f16(vreinterpret_f16_u16(load_4x16(source)));
}
SMK_INLINE vector vector_load_bf16(const void *source) {
  return vreinterpretq_f32_u32(vshll_n_u16(load_4x16(source), 16));
}
SMK_INLINE void vector_store_f16(void *destination, vector v) {
  store_4x16(destination, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}
SMK_INLINE void vector_store_bf16(void *destination, vector v) {
  uint32x4_t bits = vreinterpretq_u32_f32(v);
  uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  store_4x16(destination, vaddhn_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff))));
}

SMK_INLINE magnitudes magnitudes_zero(void) { return vdupq_n_u32(0); }
SMK_INLINE magnitudes magnitudes_max(magnitudes m, vector v) {
  return vmaxq_u32(m, vandq_u32(vreinterpretq_u32_f32(v), vdupq_n_u32(0x7fffffff)));
}
SMK_INLINE int magnitudes_reach(magnitudes m, uint32_t bits) { return vmaxvq_u32(m) >= bits; }

#define HAS_LOOKUP 1
typedef uint8x16x4_t lookup;  // the first, second, third and last byte of each number
SMK_INLINE lookup lookup_of(const float *numbers) { return vld4q_u8((const uint8_t *)numbers); }
SMK_INLINE void lookup_16(lookup numbers, smk_bytes codes, vector *values) {
  uint8x16_t places = (uint8x16_t)codes;
  uint8x16x2_t low = vzipq_u8(vqtbl1q_u8(numbers.val[0], places), vqtbl1q_u8(numbers.val[1], places));
  uint8x16x2_t high = vzipq_u8(vqtbl1q_u8(numbers.val[2], places), vqtbl1q_u8(numbers.val[3], places));
  for (size_t half = 0; half < 2; half++) {
    uint16x8x2_t words = vzipq_u16(vreinterpretq_u16_u8(low.val[half]), vreinterpretq_u16_u8(high.val[half]));
    values[2 * half] = vreinterpretq_f32_u16(words.val[0]);
    values[2 * half + 1] = vreinterpretq_f32_u16(words.val[1]);
  }
}

#include "../bodies/kernel_body.h"

#endif
