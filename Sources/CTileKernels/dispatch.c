// Which variants this CPU can run.
#include <string.h>

#include "variants/variant.h"

#if defined(__x86_64__)

static int has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

static int has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
      && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

#endif

const smk_kernels *smk_kernels_at(size_t index) {
  const smk_kernels *runnable[4];
  size_t count = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (has_avx512() && __builtin_cpu_supports("avx512bf16")) runnable[count++] = &smk_avx512bf16;
  if (has_avx512()) runnable[count++] = &smk_avx512;
  if (has_avx2()) runnable[count++] = &smk_avx2;
#elif defined(__aarch64__)
  runnable[count++] = &smk_neon;
#endif
  runnable[count++] = &smk_portable;
  return index < count ? runnable[index] : NULL;
}

static int is_known(const char *name) {
  static const char *const names[] = {"portable", "avx2", "avx512", "avx512bf16", "neon"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(name, names[i]) == 0) return 1;
  }
  return 0;
}

const smk_kernels *smk_kernels_named(const char *name, smk_availability *availability) {
  const smk_kernels *found = NULL;
  for (size_t i = 0; (found = smk_kernels_at(i)) != NULL; i++) {
    if (strcmp(found->name, name) == 0) break;
  }
  if (availability != NULL) *availability = found ? SMK_AVAILABLE : is_known(name) ? SMK_CANNOT_RUN : SMK_UNKNOWN_NAME;
  return found;
}

const char *smk_kernels_name(const smk_kernels *kernels) { return kernels->name; }
