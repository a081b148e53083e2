#include "CBenchmark.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// x -> x * FACTOR + SUMMAND stays near 1.
#define FACTOR 0.5f
#define SUMMAND 0.5f

// Independent chains: at least the latency of the instruction times the number of units, and few enough for the registers.
#define DEFINE_STEPS(name, attribute, type, lanes, chains, broadcast, fma, store)     \
  enum { name##_operations = 2 * (lanes) * (chains) };                                \
  attribute static float name##_steps(size_t steps) {                                 \
    type sums[chains], factor = broadcast(FACTOR), summand = broadcast(SUMMAND);       \
    for (int c = 0; c < (chains); c++) sums[c] = broadcast(1.0f + (float)c);           \
    for (size_t step = 0; step < steps; step++) {                                     \
      _Pragma("clang loop unroll(full)")                                              \
      for (int c = 0; c < (chains); c++) sums[c] = fma(sums[c], factor, summand);      \
    }                                                                                 \
    float total = 0, values[lanes];                                                   \
    for (int c = 0; c < (chains); c++) {                                              \
      store(values, sums[c]);                                                         \
      for (int lane = 0; lane < (lanes); lane++) total += values[lane];               \
    }                                                                                 \
    return total;                                                                     \
  }

#define SCALAR_BROADCAST(value) (value)
#define SCALAR_STORE(target, value) (*(target) = (value))
DEFINE_STEPS(portable, , float, 1, 8, SCALAR_BROADCAST, fmaf, SCALAR_STORE)

#if defined(__x86_64__)
DEFINE_STEPS(avx2, __attribute__((target("avx2,fma"))), __m256, 8, 12, _mm256_set1_ps, _mm256_fmadd_ps,
             _mm256_storeu_ps)
DEFINE_STEPS(avx512, __attribute__((target("avx512f"))), __m512, 16, 16, _mm512_set1_ps, _mm512_fmadd_ps,
             _mm512_storeu_ps)
#elif defined(__aarch64__)
#define NEON_FMA(a, b, c) vfmaq_f32(c, a, b)
DEFINE_STEPS(neon, , float32x4_t, 4, 24, vdupq_n_f32, NEON_FMA, vst1q_f32)
#endif

static const struct {
  const char *name;
  size_t operations;
  float (*steps)(size_t steps);
} sets[] = {
#if defined(__x86_64__)
    {"avx512bf16", avx512_operations, avx512_steps},
    {"avx512", avx512_operations, avx512_steps},
    {"avx2", avx2_operations, avx2_steps},
#elif defined(__aarch64__)
    {"neon", neon_operations, neon_steps},
#endif
    {"portable", portable_operations, portable_steps},
};

size_t cbm_fma_step_operations(const char *set) {
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    if (strcmp(sets[i].name, set) == 0) return sets[i].operations;
  }
  return 0;
}

float cbm_fma_steps(const char *set, size_t steps) {
  for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
    if (strcmp(sets[i].name, set) == 0) return sets[i].steps(steps);
  }
  return 0;
}
