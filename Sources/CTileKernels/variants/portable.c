// No vector instructions, and libm's fmaf where the CPU has none: slow, and right on every machine.
#include <math.h>
#include <string.h>

#include "../bodies/scalar.h"

#define VARIANT portable
#define VECTOR_WIDTH 1
#define BLOCK_ROWS 4
#define BLOCK_PANELS 1
#define UNROLL

typedef float vector;
typedef uint32_t magnitudes;

SMK_INLINE vector vector_zero(void) { return 0; }
SMK_INLINE vector vector_load(const void *source) { return smk_float(smk_load_u32(source)); }
SMK_INLINE void vector_store(void *destination, vector v) { memcpy(destination, &v, sizeof v); }
SMK_INLINE vector vector_broadcast(float value) { return value; }
SMK_INLINE vector vector_add(vector a, vector b) { return a + b; }
SMK_INLINE vector vector_subtract(vector a, vector b) { return a - b; }
SMK_INLINE vector vector_multiply(vector a, vector b) { return a * b; }
SMK_INLINE vector vector_fma(vector a, vector b, vector c) { return fmaf(a, b, c); }

SMK_INLINE vector vector_load_f16(const void *source) { return smk_float(smk_f32_from_f16(smk_load_u16(source))); }
SMK_INLINE vector vector_load_bf16(const void *source) { return smk_float(smk_load_u16(source) << 16); }
SMK_INLINE void vector_store_f16(void *destination, vector v) {
  smk_store_u16(destination, smk_f16_from_f32(smk_bits(v)));
}
SMK_INLINE void vector_store_bf16(void *destination, vector v) {
  smk_store_u16(destination, smk_bf16_from_f32(smk_bits(v)));
}

SMK_INLINE magnitudes magnitudes_zero(void) { return 0; }
SMK_INLINE magnitudes magnitudes_max(magnitudes m, vector v) {
  uint32_t magnitude = smk_bits(v) & 0x7fffffff;
  return magnitude > m ? magnitude : m;
}
SMK_INLINE int magnitudes_reach(magnitudes m, uint32_t bits) { return m >= bits; }

#include "../bodies/kernel_body.h"
