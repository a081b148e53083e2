// DoRA's last step: factors times values, rounded to the output. Included by kernel_body.h.

SMK_INLINE uint64_t scalar_rescale(smk_dtype in, const char *weight, const float *values, const float *factors,
                                   const size_t factor_step, smk_dtype out, char *destination, size_t count) {
  uint64_t overflows = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t w = smk_scalar_load(in, weight + i * smk_byte_count(in));
    uint32_t product = smk_settle_nan(w, smk_bits(factors[i * factor_step] * values[i]));
    overflows += smk_is_finite(w) && (product & 0x7fffffff) >= smk_first_overflow(out);
    smk_scalar_store(out, product, destination + i * smk_byte_count(out));
  }
  return overflows;
}

// A `factor_step` of 0 is one factor for all, of 1 a factor for each.
SMK_INLINE uint64_t rescale_run(smk_dtype in, const char *weight, const float *values, const float *factors,
                                const size_t factor_step, const smk_dtype out, char *destination, size_t count) {
  const size_t in_size = smk_byte_count(in), out_size = smk_byte_count(out);
  uint64_t overflows = 0;
  size_t i = 0;
  for (; i + GROUP <= count; i += GROUP) {
    vector products[GROUP_VECTORS];
    magnitudes largest = magnitudes_zero();
    UNROLL
    for (size_t v = 0; v < GROUP_VECTORS; v++) {
      size_t at = i + v * VECTOR_WIDTH;
      vector factor = factor_step == 0 ? vector_broadcast(*factors) : vector_load(factors + at);
      products[v] = vector_multiply(factor, vector_load(values + at));
      largest = magnitudes_max(largest, products[v]);
    }
    // A weight matters only where its product is not finite: the product of one that is not finite never is.
    if (__builtin_expect(magnitudes_reach(largest, smk_first_overflow(out)), 0)) {
      overflows += scalar_rescale(in, weight + i * in_size, values + i, factors + i * factor_step, factor_step, out,
                                  destination + i * out_size, GROUP);
      continue;
    }
    UNROLL
    for (size_t v = 0; v < GROUP_VECTORS; v++) {
      store_as(out, products[v], destination + (i + v * VECTOR_WIDTH) * out_size);
    }
  }
  return overflows
      + scalar_rescale(in, weight + i * in_size, values + i, factors + i * factor_step, factor_step, out,
                       destination + i * out_size, count - i);
}

#define DEFINE_RESCALE(name, factor_step)                                                                           \
  static uint64_t name(smk_dtype in, const void *weight, const float *values, const float *factors, smk_dtype out,  \
                       void *destination, size_t count) {                                                           \
    switch (out) {                                                                                                  \
      case SMK_F32: return rescale_run(in, weight, values, factors, factor_step, SMK_F32, destination, count);      \
      case SMK_F16: return rescale_run(in, weight, values, factors, factor_step, SMK_F16, destination, count);      \
      case SMK_BF16: return rescale_run(in, weight, values, factors, factor_step, SMK_BF16, destination, count);    \
    }                                                                                                               \
    return 0;                                                                                                       \
  }
DEFINE_RESCALE(rescale_by_one, 0)
DEFINE_RESCALE(rescale_by_each, 1)
