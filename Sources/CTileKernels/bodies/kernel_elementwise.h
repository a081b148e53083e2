// Sums, products and roundings of fp32 buffers, element by element. Included by kernel_body.h.

SMK_INLINE void sum_from(const smk_dtype in, const char *weight, const float *delta, float *sums, size_t count) {
  const size_t size = smk_byte_count(in);
  size_t i = 0;
  for (; i + VECTOR_WIDTH <= count; i += VECTOR_WIDTH) {
    vector_store(sums + i, vector_add(load_as(in, weight + i * size), vector_load(delta + i)));
  }
  for (; i < count; i++) sums[i] = smk_float(smk_scalar_load(in, weight + i * size)) + delta[i];
}

static void sum(smk_dtype weight_dtype, const void *weight, const float *delta, float *sums, size_t count) {
  switch (weight_dtype) {
    case SMK_F32: sum_from(SMK_F32, weight, delta, sums, count); break;
    case SMK_F16: sum_from(SMK_F16, weight, delta, sums, count); break;
    case SMK_BF16: sum_from(SMK_BF16, weight, delta, sums, count); break;
  }
}

static void scale_values(float *values, size_t count, float factor) {
  vector factors = vector_broadcast(factor);
  size_t i = 0;
  for (; i + VECTOR_WIDTH <= count; i += VECTOR_WIDTH) {
    vector_store(values + i, vector_multiply(factors, vector_load(values + i)));
  }
  for (; i < count; i++) values[i] = factor * values[i];
}

static void add_plain(float *delta, const float *values, size_t count) {
  size_t i = 0;
  for (; i + VECTOR_WIDTH <= count; i += VECTOR_WIDTH) {
    vector_store(delta + i, vector_add(vector_load(delta + i), vector_load(values + i)));
  }
  for (; i < count; i++) delta[i] += values[i];
}

// destination[i] = scale * (factor * values[i])
SMK_INLINE void scale_twice(float *destination, const float *values, size_t count, float factor, float scale) {
  vector factors = vector_broadcast(factor), scales = vector_broadcast(scale);
  size_t i = 0;
  for (; i + VECTOR_WIDTH <= count; i += VECTOR_WIDTH) {
    vector_store(destination + i, vector_multiply(scales, vector_multiply(factors, vector_load(values + i))));
  }
  for (; i < count; i++) {
    float product = factor * values[i];
    destination[i] = scale * product;
  }
}

static void fill_blocks(float *row, size_t count, const float *factors, const float *values, size_t width, float scale) {
  if (factors) {
    for (size_t i = 0; i < count; i += width) {
      scale_twice(row + i, values, smaller(width, count - i), *factors++, scale);
    }
    return;
  }
  // One block, and what is there copied behind itself until the row is full.
  size_t filled = smaller(width, count);
  scale_twice(row, values, filled, 1, scale);
  while (filled < count) {
    size_t more = smaller(filled, count - filled);
    memcpy(row + filled, row, more * sizeof *row);
    filled += more;
  }
}

static void divide(const float *numerators, const float *denominators, float *quotients, size_t count) {
  for (size_t i = 0; i < count; i++) quotients[i] = numerators[i] / denominators[i];
}

SMK_INLINE void scalar_round_delta(smk_dtype dtype, float *delta, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char narrow[4];
    smk_scalar_store(dtype, smk_bits(delta[i]), narrow);
    delta[i] = smk_float(smk_scalar_load(dtype, narrow));
  }
}

SMK_INLINE void round_delta_to(const smk_dtype dtype, float *delta, size_t count) {
  size_t i = 0;
  for (; i + GROUP <= count; i += GROUP) {
    vector values[GROUP_VECTORS];
    magnitudes largest = magnitudes_zero();
    UNROLL
    for (size_t v = 0; v < GROUP_VECTORS; v++) {
      values[v] = vector_load(delta + i + v * VECTOR_WIDTH);
      largest = magnitudes_max(largest, values[v]);
    }
    if (__builtin_expect(magnitudes_reach(largest, 0x7f800000), 0)) {
      scalar_round_delta(dtype, delta + i, GROUP);
      continue;
    }
    UNROLL
    for (size_t v = 0; v < GROUP_VECTORS; v++) {
      char narrow[VECTOR_WIDTH * 2];
      store_as(dtype, values[v], narrow);
      vector_store(delta + i + v * VECTOR_WIDTH, load_as(dtype, narrow));
    }
  }
  scalar_round_delta(dtype, delta + i, count - i);
}

static void round_delta(smk_dtype dtype, float *delta, size_t count) {
  switch (dtype) {
    case SMK_F32: break;
    case SMK_F16: round_delta_to(SMK_F16, delta, count); break;
    case SMK_BF16: round_delta_to(SMK_BF16, delta, count); break;
  }
}
