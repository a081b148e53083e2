#include "variants.h"

cts_variant cts_best_variant(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
               ? CTS_AVX512
               : CTS_AVX2;
  }
#endif
  return CTS_PORTABLE;
}

cts_figures cts_scan_by(cts_variant variant, cts_dtype dtype, const void *elements, size_t count) {
#if defined(__x86_64__)
  if (variant == CTS_AVX512) return cts_scan_avx512(dtype, elements, count);
  if (variant == CTS_AVX2) return cts_scan_avx2(dtype, elements, count);
#endif
  (void)variant;
  return cts_scan_portable(dtype, elements, count);
}

cts_figures cts_scan(cts_dtype dtype, const void *elements, size_t count) {
  return cts_scan_by(cts_best_variant(), dtype, elements, count);
}
