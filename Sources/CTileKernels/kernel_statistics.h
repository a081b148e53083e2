// What a merge did to one row. Included by kernel_body.h, after kernel_norms.h.

#define CHUNK 256  // a multiple of LANES and of GROUP

// For count <= CHUNK.
SMK_INLINE uint64_t count_differing(const void *a, const void *b, const size_t size, size_t count) {
  const char *left = a, *right = b;
  if (size == 4) {
    uint32_t differing = 0;
    for (size_t i = 0; i < count; i++) differing += smk_load_u32(left + i * 4) != smk_load_u32(right + i * 4);
    return differing;
  }
  uint16_t differing = 0;  // as wide as the elements, so that the loop becomes vector instructions
  for (size_t i = 0; i < count; i++) differing += smk_load_u16(left + i * 2) != smk_load_u16(right + i * 2);
  return differing;
}

static uint64_t count_changed(smk_dtype base_dtype, const char *base, smk_dtype out_dtype, const char *output,
                              size_t count) {
  char converted[CHUNK * 4];
  const void *unchanged = base;
  if (base_dtype != out_dtype) {
    float nothing[CHUNK];
    for (size_t i = 0; i < CHUNK; i++) nothing[i] = -0.0f;
    combine(base_dtype, base, nothing, out_dtype, converted, count);
    unchanged = converted;
  }
  return out_dtype == SMK_F32 ? count_differing(output, unchanged, 4, count)
                              : count_differing(output, unchanged, 2, count);
}

struct sums_of_squares {
  double8 intended, lost, base;
};

SMK_INLINE void add_squares(struct sums_of_squares *sums, const float *before, const float *after, const float *wanted,
                            const int are_deltas) {
  double8 intended_sums = sums->intended, lost_sums = sums->lost, base_sums = sums->base;
  for (size_t j = 0; j < CHUNK; j += LANES) {
    float8 before8, after8, wanted8;
    memcpy(&before8, before + j, sizeof before8);
    memcpy(&after8, after + j, sizeof after8);
    memcpy(&wanted8, wanted + j, sizeof wanted8);
    double8 w = __builtin_convertvector(before8, double8);
    double8 change = __builtin_convertvector(wanted8, double8);
    if (!are_deltas) change -= w;
    double8 lost = (__builtin_convertvector(after8, double8) - w) - change;
    lost_sums += lost * lost;
    if (!are_deltas) intended_sums += change * change;
    {
      // The square of an fp32 number is exact in fp64: fusing its addition changes no bit.
#pragma clang fp contract(on)
      if (are_deltas) intended_sums += change * change;
      base_sums += w * w;
    }
  }
  sums->intended = intended_sums;
  sums->lost = lost_sums;
  sums->base = base_sums;
}

// `is_finite` says that all numbers are.
SMK_INLINE void add_squares_of_run(struct sums_of_squares *sums, float *before, float *after, const float *wanted,
                                   const int are_deltas, const int is_finite, size_t count) {
  float copy[CHUNK];
  if (is_finite && count == CHUNK) {
    add_squares(sums, before, after, wanted, are_deltas);
    return;
  }
  for (size_t j = 0; j < CHUNK; j++) {
    int is_counted = j < count && smk_is_finite(smk_bits(before[j])) && smk_is_finite(smk_bits(after[j]))
        && smk_is_finite(smk_bits(wanted[j]));
    copy[j] = is_counted ? wanted[j] : 0;
    if (!is_counted) before[j] = after[j] = 0;
  }
  add_squares(sums, before, after, copy, are_deltas);
}

SMK_INLINE smk_row_statistics statistics_of_row(smk_dtype base_dtype, const char *base, smk_dtype out_dtype,
                                                const char *output, const float *intended, const int are_deltas,
                                                const int is_finite, size_t count) {
  smk_row_statistics result = {0};
  struct sums_of_squares sums = {0};
  for (size_t i = 0; i < count; i += CHUNK) {
    float before[CHUNK], after[CHUNK];
    const size_t here = smaller(count - i, CHUNK);
    const char *b = base + i * smk_byte_count(base_dtype), *o = output + i * smk_byte_count(out_dtype);
    widen(base_dtype, b, here, before);
    widen(out_dtype, o, here, after);
    result.changed_count += count_changed(base_dtype, b, out_dtype, o, here);
    add_squares_of_run(&sums, before, after, intended + i, are_deltas, is_finite, here);
  }
  for (size_t lane = 0; lane < LANES; lane++) {
    result.intended_squares += sums.intended[lane];
    result.lost_squares += sums.lost[lane];
    result.base_squares += sums.base[lane];
  }
  return result;
}

static smk_row_statistics row_statistics(smk_dtype base_dtype, const void *base, smk_dtype out_dtype,
                                         const void *output, const float *intended, int are_deltas, size_t count) {
  smk_row_statistics result =
      are_deltas ? statistics_of_row(base_dtype, base, out_dtype, output, intended, 1, 1, count)
                 : statistics_of_row(base_dtype, base, out_dtype, output, intended, 0, 1, count);
  // What is lost has all three numbers in it, and no square of a finite one is too large for a double.
  if (__builtin_expect(result.lost_squares - result.lost_squares == 0, 1)) return result;
  return are_deltas ? statistics_of_row(base_dtype, base, out_dtype, output, intended, 1, 0, count)
                    : statistics_of_row(base_dtype, base, out_dtype, output, intended, 0, 0, count);
}
