// Weights that are requantized. Included by kernel_body.h. Loops without branches, which become vector instructions.

static float largest_finite(const void *values, size_t stride, size_t rows, size_t columns) {
  const char *source = values;
  uint32_t largest = 0;
  for (size_t row = 0; row < rows; row++) {
    for (size_t i = row * stride; i < row * stride + columns; i++) {
      uint32_t magnitude = smk_load_u32(source + i * 4) & 0x7fffffff;
      magnitude = magnitude < 0x7f800000 ? magnitude : 0;
      largest = magnitude > largest ? magnitude : largest;
    }
  }
  return smk_float(largest);
}

// The nearest number of E4M3 that is not NaN, halves to even; of a NaN the code of the positive NaN.
SMK_INLINE uint8_t e4m3_from_f32(float value) {
  const uint32_t bits = smk_bits(value);
  const uint32_t magnitude = bits & 0x7fffffff;
  const uint32_t most = 0x43e00000;  // 448
  const uint32_t bounded = magnitude < most ? magnitude : most;
  // From 2^-6 on, the smallest normal number: the exponent less 120, and 3 bits of the fraction.
  const uint32_t rebiased = bounded - (120u << 23);
  const uint32_t normal = (rebiased + 0x7ffff + (rebiased >> 20 & 1)) >> 20;
  // Below: multiples of 2^-9, which is the spacing of fp32 at 2^14.
  const uint32_t subnormal = smk_bits(smk_float(bounded) + 0x1p14f) - 0x46800000;
  const uint32_t code = bounded < 0x3c800000 ? subnormal : normal;
  return (uint8_t)(magnitude > 0x7f800000 ? 0x7f : code | (bits >> 24 & 0x80));
}

static void encode_e4m3(const void *values, size_t stride, size_t rows, size_t columns, float scale, int divides,
                        uint8_t *codes) {
  for (size_t row = 0; row < rows; row++) {
    const char *source = (const char *)values + row * stride * 4;
    uint8_t *target = codes + row * stride;
    if (divides) {
      for (size_t i = 0; i < columns; i++) target[i] = e4m3_from_f32(smk_float(smk_load_u32(source + i * 4)) / scale);
    } else {
      for (size_t i = 0; i < columns; i++) target[i] = e4m3_from_f32(smk_float(smk_load_u32(source + i * 4)) * scale);
    }
  }
}

// Half of the distance from a number of E4M3 to the next greater one: 2^-10 for subnormal ones.
SMK_INLINE float half_step_of_e4m3(uint8_t code) {
  const uint32_t exponent = code >> 3 & 15;
  return smk_float(((exponent > 1 ? exponent : 1) + 116) << 23);
}

static smk_code_changes compare_codes(const void *weight, const float *intended, int are_deltas, const uint8_t *before,
                                      const uint8_t *codes, float scale, size_t stride, size_t rows, size_t columns) {
  smk_code_changes result = {0};
  for (size_t row = 0; row < rows; row++) {
    const char *source = (const char *)weight + row * stride * 4;
    const size_t first = row * stride;
    uint32_t reached = 0, changed = 0;
    for (size_t i = 0; i < columns; i++) {
      const float old = smk_float(smk_load_u32(source + i * 4));
      const float change = are_deltas ? intended[first + i] : intended[first + i] - old;
      const uint32_t magnitude = smk_bits(change) & 0x7fffffff;
      reached += magnitude > 0 && magnitude >= smk_bits(half_step_of_e4m3(codes[first + i]) * scale);
      changed += before[first + i] != codes[first + i];
    }
    result.half_steps += reached;
    result.changed += changed;
  }
  return result;
}

static void block_magnitudes(const float *values, size_t count, size_t block, float *magnitudes) {
  for (size_t start = 0, number = 0; start < count; start += block, number++) {
    magnitudes[number] = largest_finite(values + start, 0, 1, smaller(block, count - start));
  }
}

static void through_nf4(float *values, size_t count, size_t block, const float *bounds, const float *numbers,
                           const float *magnitudes, const float *scales, uint8_t *codes) {
  for (size_t start = 0, number = 0; start < count; start += block, number++) {
    const size_t end = start + smaller(block, count - start);
    const float largest = magnitudes[number] > 1e-38f ? magnitudes[number] : 1e-38f;
    const float factor = 1 / largest, scale = scales[number];
    for (size_t i = start; i < end; i++) {
      const float value = values[i];
      const float scaled = value * factor;
      uint32_t code = 0;
      for (size_t bound = 0; bound < 15; bound++) code += scaled > bounds[bound];
      const float product = numbers[code] * scale;
      values[i] = smk_is_finite(smk_bits(value)) ? product : value;
      if (codes) codes[i] = (uint8_t)code;
    }
  }
}
