// What a variant provides, and the compiler settings that all variants share.
#ifndef SMK_VARIANT_H
#define SMK_VARIANT_H

#include "CTileKernels.h"

// Fusing a multiplication and an addition changes bits. Where fusing is wanted the code says so.
#pragma STDC FP_CONTRACT OFF

#define SMK_INLINE static inline __attribute__((always_inline, unused))

struct smk_kernels {
  const char *name;
  size_t row_block;
  void (*widen)(smk_dtype dtype, const void *source, size_t count, float *destination);
  void (*add_low_rank)(float *delta, size_t delta_stride, const float *left, const float *packed_right, size_t rows,
                       size_t columns, size_t rank, float scale);
  void (*add_scaled)(float *delta, const float *values, size_t count, float scale);
  uint64_t (*combine)(smk_dtype weight_dtype, const void *weight, const float *delta, smk_dtype out_dtype,
                      void *destination, size_t count);
};

extern const smk_kernels smk_portable;
#if defined(__x86_64__)
extern const smk_kernels smk_avx2;
extern const smk_kernels smk_avx512;
#elif defined(__aarch64__)
extern const smk_kernels smk_neon;
#endif

SMK_INLINE size_t smk_byte_count(smk_dtype dtype) { return dtype == SMK_F32 ? 4 : 2; }

#endif
