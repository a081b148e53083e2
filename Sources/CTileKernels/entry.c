// The entry points: each calls its variant in the default floating-point environment.
#include "environment.h"
#include "variants/variant.h"

// The calls below go through a pointer, so no arithmetic can move out of the environment set around them.

void smk_widen(const smk_kernels *kernels, smk_dtype dtype, const void *source, size_t count, float *destination) {
  smk_environment saved = smk_enter_default_environment();
  kernels->widen(dtype, source, count, destination);
  smk_leave_default_environment(saved);
}

void smk_add_low_rank(const smk_kernels *kernels, float *delta, size_t delta_stride, const float *left,
                      const float *packed_right, size_t rows, size_t columns, size_t rank, float scale,
                      float *scratch) {
  smk_environment saved = smk_enter_default_environment();
  const smk_low_rank product = {left, packed_right, rank};
  kernels->product_to_delta(0, delta, delta_stride, &product, rows, columns, scale, scratch);
  smk_leave_default_environment(saved);
}

void smk_set_low_rank(const smk_kernels *kernels, float *delta, const smk_low_rank *product, size_t rows, size_t columns,
                      float scale, float *scratch) {
  smk_environment saved = smk_enter_default_environment();
  kernels->product_to_delta(1, delta, columns, product, rows, columns, scale, scratch);
  smk_leave_default_environment(saved);
}

uint64_t smk_merge_low_rank(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight, const float *left,
                            const float *packed_right, smk_dtype out_dtype, void *destination, size_t rows,
                            size_t columns, size_t rank, float scale, float *scratch) {
  smk_environment saved = smk_enter_default_environment();
  const smk_low_rank product = {left, packed_right, rank};
  uint64_t overflows = kernels->merge_product(weight_dtype, weight, &product, NULL, out_dtype, destination, rows,
                                              columns, scale, scratch);
  smk_leave_default_environment(saved);
  return overflows;
}

uint64_t smk_merge_multiplied(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight,
                              const smk_low_rank *product, const smk_multiplier *by, smk_dtype out_dtype,
                              void *destination, size_t rows, size_t columns, float scale, float *scratch) {
  smk_environment saved = smk_enter_default_environment();
  uint64_t overflows = kernels->merge_product(weight_dtype, weight, product, by, out_dtype, destination, rows, columns,
                                              scale, scratch);
  smk_leave_default_environment(saved);
  return overflows;
}

void smk_add_block_products(const smk_kernels *kernels, const float *values, size_t rows, size_t columns,
                            const float *packed_blocks, size_t size, size_t block_stride, float *sums) {
  smk_environment saved = smk_enter_default_environment();
  kernels->add_block_products(values, rows, columns, packed_blocks, size, block_stride, sums);
  smk_leave_default_environment(saved);
}

void smk_add_scaled(const smk_kernels *kernels, float *delta, const float *values, size_t count, float scale) {
  smk_environment saved = smk_enter_default_environment();
  kernels->add_scaled(delta, values, count, scale);
  smk_leave_default_environment(saved);
}

uint64_t smk_combine(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight, const float *delta,
                     smk_dtype out_dtype, void *destination, size_t count) {
  smk_environment saved = smk_enter_default_environment();
  uint64_t overflows = kernels->combine(weight_dtype, weight, delta, out_dtype, destination, count);
  smk_leave_default_environment(saved);
  return overflows;
}

void smk_sum(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight, const float *delta, float *sums,
             size_t count) {
  smk_environment saved = smk_enter_default_environment();
  kernels->sum(weight_dtype, weight, delta, sums, count);
  smk_leave_default_environment(saved);
}

void smk_scale(const smk_kernels *kernels, float *values, size_t count, float factor) {
  smk_environment saved = smk_enter_default_environment();
  kernels->scale(values, count, factor);
  smk_leave_default_environment(saved);
}

void smk_add_plain(const smk_kernels *kernels, float *delta, const float *values, size_t count) {
  smk_environment saved = smk_enter_default_environment();
  kernels->add_plain(delta, values, count);
  smk_leave_default_environment(saved);
}

void smk_fill_blocks(const smk_kernels *kernels, float *row, size_t count, const float *factors, const float *values,
                     size_t width, float scale) {
  smk_environment saved = smk_enter_default_environment();
  kernels->fill_blocks(row, count, factors, values, width, scale);
  smk_leave_default_environment(saved);
}

void smk_divide(const smk_kernels *kernels, const float *numerators, const float *denominators, float *quotients,
                size_t count) {
  smk_environment saved = smk_enter_default_environment();
  kernels->divide(numerators, denominators, quotients, count);
  smk_leave_default_environment(saved);
}

void smk_round_delta(const smk_kernels *kernels, smk_dtype dtype, float *delta, size_t count) {
  smk_environment saved = smk_enter_default_environment();
  kernels->round_delta(dtype, delta, count);
  smk_leave_default_environment(saved);
}

void smk_row_norms(const smk_kernels *kernels, const float *values, size_t rows, size_t columns, float *norms) {
  smk_environment saved = smk_enter_default_environment();
  kernels->row_norms(values, rows, columns, norms);
  smk_leave_default_environment(saved);
}

void smk_torch_row_norms(const smk_kernels *kernels, const float *values, size_t rows, size_t columns, float *norms) {
  smk_environment saved = smk_enter_default_environment();
  kernels->torch_row_norms(values, rows, columns, norms);
  smk_leave_default_environment(saved);
}

void smk_add_column_squares(const smk_kernels *kernels, const float *values, size_t row_stride, size_t rows,
                            size_t columns, double *sums) {
  smk_environment saved = smk_enter_default_environment();
  kernels->add_column_squares(values, row_stride, rows, columns, sums);
  smk_leave_default_environment(saved);
}

void smk_torch_add_column_squares(const smk_kernels *kernels, const float *values, size_t row_stride, size_t rows,
                                  size_t columns, float *sums) {
  smk_environment saved = smk_enter_default_environment();
  kernels->torch_add_column_squares(values, row_stride, rows, columns, sums);
  smk_leave_default_environment(saved);
}

void smk_roots(const smk_kernels *kernels, const double *squares, size_t count, float *norms) {
  smk_environment saved = smk_enter_default_environment();
  kernels->roots(squares, count, norms);
  smk_leave_default_environment(saved);
}

void smk_torch_roots(const smk_kernels *kernels, const float *squares, size_t count, float *norms) {
  smk_environment saved = smk_enter_default_environment();
  kernels->torch_roots(squares, count, norms);
  smk_leave_default_environment(saved);
}

void smk_row_projections(const smk_kernels *kernels, const float *values, size_t rows, size_t columns,
                         const double *vectors, size_t count, float *products) {
  smk_environment saved = smk_enter_default_environment();
  kernels->row_projections(values, rows, columns, vectors, count, products);
  smk_leave_default_environment(saved);
}

uint64_t smk_rescale_by_one(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight,
                            const float *values, const float *factors, smk_dtype out_dtype, void *destination,
                            size_t count) {
  smk_environment saved = smk_enter_default_environment();
  uint64_t overflows = kernels->rescale_by_one(weight_dtype, weight, values, factors, out_dtype, destination, count);
  smk_leave_default_environment(saved);
  return overflows;
}

uint64_t smk_rescale_by_each(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight,
                             const float *values, const float *factors, smk_dtype out_dtype, void *destination,
                             size_t count) {
  smk_environment saved = smk_enter_default_environment();
  uint64_t overflows = kernels->rescale_by_each(weight_dtype, weight, values, factors, out_dtype, destination, count);
  smk_leave_default_environment(saved);
  return overflows;
}

void smk_random_words(const smk_kernels *kernels, uint64_t seed, uint64_t tensor, uint64_t first, size_t count,
                      uint32_t *words) {
  smk_environment saved = smk_enter_default_environment();
  kernels->random_words(seed, tensor, first, count, words);
  smk_leave_default_environment(saved);
}

uint64_t smk_round_stochastically(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight,
                                  const float *values, int are_deltas, smk_dtype out_dtype, void *destination,
                                  size_t count, uint64_t seed, uint64_t tensor, uint64_t first) {
  smk_environment saved = smk_enter_default_environment();
  uint64_t overflows = kernels->round_stochastically(weight_dtype, weight, values, are_deltas, out_dtype,
                                                     destination, count, seed, tensor, first);
  smk_leave_default_environment(saved);
  return overflows;
}

smk_row_statistics smk_statistics_of_row(const smk_kernels *kernels, smk_dtype base_dtype, const void *base,
                                         smk_dtype out_dtype, const void *output, const float *intended,
                                         int are_deltas, size_t count) {
  smk_environment saved = smk_enter_default_environment();
  smk_row_statistics result = kernels->row_statistics(base_dtype, base, out_dtype, output, intended, are_deltas, count);
  smk_leave_default_environment(saved);
  return result;
}

void smk_decode_codes(const smk_kernels *kernels, const float *table, const uint8_t *codes, const smk_code_grid *grid,
                      smk_dtype out_dtype, void *destination) {
  smk_environment saved = smk_enter_default_environment();
  kernels->decode_codes(table, codes, grid, out_dtype, destination);
  smk_leave_default_environment(saved);
}

void smk_decode_nibbles(const smk_kernels *kernels, const float *table, const uint8_t *codes, size_t first,
                        size_t count, size_t block, int is_high_first, const float *scales, smk_dtype out_dtype,
                        void *destination) {
  smk_environment saved = smk_enter_default_environment();
  kernels->decode_nibbles(table, codes, first, count, block, is_high_first, scales, out_dtype, destination);
  smk_leave_default_environment(saved);
}

void smk_decode_transposed(const smk_kernels *kernels, const float *table, const float *scale_table,
                           const smk_transposed_codes *matrix, smk_dtype out_dtype, void *destination) {
  smk_environment saved = smk_enter_default_environment();
  kernels->decode_transposed(table, scale_table, matrix, out_dtype, destination);
  smk_leave_default_environment(saved);
}

float smk_largest_finite(const smk_kernels *kernels, const void *values, size_t stride, size_t rows, size_t columns) {
  smk_environment saved = smk_enter_default_environment();
  float largest = kernels->largest_finite(values, stride, rows, columns);
  smk_leave_default_environment(saved);
  return largest;
}

void smk_encode_e4m3(const smk_kernels *kernels, const void *values, size_t stride, size_t rows, size_t columns,
                     float scale, int divides, uint8_t *codes) {
  smk_environment saved = smk_enter_default_environment();
  kernels->encode_e4m3(values, stride, rows, columns, scale, divides, codes);
  smk_leave_default_environment(saved);
}

smk_code_changes smk_compare_codes(const smk_kernels *kernels, const void *weight, const float *intended,
                                   int are_deltas, const uint8_t *before, const uint8_t *codes, float scale,
                                   size_t stride, size_t rows, size_t columns) {
  smk_environment saved = smk_enter_default_environment();
  smk_code_changes changes =
      kernels->compare_codes(weight, intended, are_deltas, before, codes, scale, stride, rows, columns);
  smk_leave_default_environment(saved);
  return changes;
}

void smk_block_magnitudes(const smk_kernels *kernels, const float *values, size_t count, size_t block,
                          float *magnitudes) {
  smk_environment saved = smk_enter_default_environment();
  kernels->block_magnitudes(values, count, block, magnitudes);
  smk_leave_default_environment(saved);
}

void smk_through_nf4(const smk_kernels *kernels, float *values, size_t count, size_t block, const float *bounds,
                        const float *numbers, const float *magnitudes, const float *scales, uint8_t *codes) {
  smk_environment saved = smk_enter_default_environment();
  kernels->through_nf4(values, count, block, bounds, numbers, magnitudes, scales, codes);
  smk_leave_default_environment(saved);
}
