// The floating-point control word of the calling thread. A host program may have set another rounding mode, or flushing
// of subnormals (a library built with -ffast-math does that when it is loaded); neither may change a result.
#ifndef SMK_ENVIRONMENT_H
#define SMK_ENVIRONMENT_H

#include <stdint.h>

#include "variants/variant.h"

#if defined(__x86_64__)
#include <xmmintrin.h>

typedef unsigned int smk_environment;

SMK_INLINE smk_environment smk_enter_default_environment(void) {
  smk_environment saved = _mm_getcsr();
  if ((saved & ~0x3fu) != 0x1f80) _mm_setcsr(0x1f80);  // the low six bits are sticky flags, not control
  return saved;
}

SMK_INLINE void smk_leave_default_environment(smk_environment saved) {
  if ((saved & ~0x3fu) != 0x1f80) _mm_setcsr(saved);
}

#elif defined(__aarch64__)

typedef uint64_t smk_environment;

SMK_INLINE void smk_set_control(uint64_t value) { __asm__ volatile("msr fpcr, %0" : : "r"(value) : "memory"); }

SMK_INLINE smk_environment smk_enter_default_environment(void) {
  uint64_t saved;
  __asm__ volatile("mrs %0, fpcr" : "=r"(saved) : : "memory");
  if (saved != 0) smk_set_control(0);
  return saved;
}

SMK_INLINE void smk_leave_default_environment(smk_environment saved) {
  if (saved != 0) smk_set_control(saved);
}

#else
#error "safemerge runs on x86-64 and AArch64"
#endif

#endif
