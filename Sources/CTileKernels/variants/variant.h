// What a variant provides, and the compiler settings that all variants share.
#ifndef SMK_VARIANT_H
#define SMK_VARIANT_H

#include "CTileKernels.h"

// Fusing a multiplication and an addition changes bits. Where fusing is wanted the code says so.
#pragma STDC FP_CONTRACT OFF

#define SMK_INLINE static inline __attribute__((always_inline, unused))

typedef uint64_t smk_rescale_function(smk_dtype weight_dtype, const void *weight, const float *values,
                                      const float *factors, smk_dtype out_dtype, void *destination, size_t count);

struct smk_kernels {
  const char *name;
  void (*widen)(smk_dtype dtype, const void *source, size_t count, float *destination);
  void (*product_to_delta)(int sets, float *delta, size_t delta_stride, const smk_low_rank *product, size_t rows,
                           size_t columns, float scale, float *scratch);
  uint64_t (*merge_product)(smk_dtype weight_dtype, const void *weight, const smk_low_rank *product,
                            const smk_multiplier *by, smk_dtype out_dtype, void *destination, size_t rows,
                            size_t columns, float scale, float *scratch);
  void (*add_block_products)(const float *values, size_t rows, size_t columns, const float *packed_blocks, size_t size,
                             size_t block_stride, float *sums);
  void (*add_scaled)(float *delta, const float *values, size_t count, float scale);
  uint64_t (*combine)(smk_dtype weight_dtype, const void *weight, const float *delta, smk_dtype out_dtype,
                      void *destination, size_t count);
  void (*sum)(smk_dtype weight_dtype, const void *weight, const float *delta, float *sums, size_t count);
  void (*scale)(float *values, size_t count, float factor);
  void (*add_plain)(float *delta, const float *values, size_t count);
  void (*fill_blocks)(float *row, size_t count, const float *factors, const float *values, size_t width, float scale);
  void (*divide)(const float *numerators, const float *denominators, float *quotients, size_t count);
  void (*round_delta)(smk_dtype dtype, float *delta, size_t count);
  void (*row_norms)(const float *values, size_t rows, size_t columns, float *norms);
  void (*torch_row_norms)(const float *values, size_t rows, size_t columns, float *norms);
  void (*add_column_squares)(const float *values, size_t row_stride, size_t rows, size_t columns, double *sums);
  void (*torch_add_column_squares)(const float *values, size_t row_stride, size_t rows, size_t columns, float *sums);
  void (*roots)(const double *squares, size_t count, float *norms);
  void (*torch_roots)(const float *squares, size_t count, float *norms);
  void (*row_projections)(const float *values, size_t rows, size_t columns, const double *vectors, size_t count,
                          float *products);
  smk_rescale_function *rescale_by_one;
  smk_rescale_function *rescale_by_each;
  void (*random_words)(uint64_t seed, uint64_t tensor, uint64_t first, size_t count, uint32_t *words);
  uint64_t (*round_stochastically)(smk_dtype weight_dtype, const void *weight, const float *values, int are_deltas,
                                   smk_dtype out_dtype, void *destination, size_t count, uint64_t seed,
                                   uint64_t tensor, uint64_t first);
  smk_row_statistics (*row_statistics)(smk_dtype base_dtype, const void *base, smk_dtype out_dtype,
                                       const void *output, const float *intended, int are_deltas, size_t count);
  void (*decode_codes)(const float *table, const uint8_t *codes, const smk_code_grid *grid, smk_dtype out_dtype,
                       void *destination);
  void (*decode_nibbles)(const float *table, const uint8_t *codes, size_t first, size_t count, size_t block,
                         int is_high_first, const float *scales, smk_dtype out_dtype, void *destination);
  void (*decode_transposed)(const float *table, const float *scale_table, const smk_transposed_codes *matrix,
                            smk_dtype out_dtype, void *destination);
  float (*largest_finite)(const void *values, size_t stride, size_t rows, size_t columns);
  void (*encode_e4m3)(const void *values, size_t stride, size_t rows, size_t columns, float scale, int divides,
                      uint8_t *codes);
  smk_code_changes (*compare_codes)(const void *weight, const float *intended, int are_deltas, const uint8_t *before,
                                    const uint8_t *codes, float scale, size_t stride, size_t rows, size_t columns);
  void (*block_magnitudes)(const float *values, size_t count, size_t block, float *magnitudes);
  void (*through_nf4)(float *values, size_t count, size_t block, const float *bounds, const float *numbers,
                         const float *magnitudes, const float *scales, uint8_t *codes);
};

extern const smk_kernels smk_portable;
#if defined(__x86_64__)
extern const smk_kernels smk_avx2;
extern const smk_kernels smk_avx512;
extern const smk_kernels smk_avx512bf16;
#elif defined(__aarch64__)
extern const smk_kernels smk_neon;
#endif

typedef uint8_t smk_bytes __attribute__((vector_size(16)));

SMK_INLINE size_t smk_byte_count(smk_dtype dtype) { return dtype == SMK_F32 ? 4 : 2; }

#endif
