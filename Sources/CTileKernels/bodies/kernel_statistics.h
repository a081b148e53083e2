// What a merge did to one row. Included by kernel_body.h, after kernel_norms.h.

#define CHUNK 256     // elements whose squares are summed in fp32: 16 in a lane
#define SUM_LANES 16  // in every variant, whatever the width of its vectors
#define SUM_VECTORS (SUM_LANES / VECTOR_WIDTH)

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

SMK_INLINE uint64_t count_changed(const smk_dtype base_dtype, const char *base, const smk_dtype out_dtype,
                                  const char *output, size_t count) {
  char converted[CHUNK * 4];
  const void *unchanged = base;
  if (base_dtype != out_dtype) {
    float nothing[CHUNK];
    for (size_t i = 0; i < CHUNK; i++) nothing[i] = -0.0f;
    combine(base_dtype, base, nothing, out_dtype, converted, count);
    unchanged = converted;
  }
  return count_differing(output, unchanged, smk_byte_count(out_dtype), count);
}

// ---- sums of squares of a chunk

struct square_sums {
  double intended, lost, base;
};

struct differences {
  vector base, intended, lost;
};

// Of one vector of elements, in fp32.
SMK_INLINE struct differences differences_at(const smk_dtype base_dtype, const char *base, const smk_dtype out_dtype,
                                             const char *output, const float *intended, const int are_deltas,
                                             size_t at) {
  const vector w = load_as(base_dtype, base + at * smk_byte_count(base_dtype));
  const vector o = load_as(out_dtype, output + at * smk_byte_count(out_dtype));
  const vector given = vector_load(intended + at);
  if (!are_deltas) {
    return (struct differences){.base = w, .intended = vector_subtract(given, w), .lost = vector_subtract(o, given)};
  }
  if (out_dtype != SMK_F32) {
    return (struct differences){.base = w, .intended = given, .lost = vector_subtract(vector_subtract(o, w), given)};
  }
  // What an fp32 output loses is no larger than the error of o - w. So o - (w + d) = (o - s) - e, with s the rounded sum
  // and e what its rounding lost, exactly (Knuth, TAOCP 2, 4.2.2, theorem B).
  const vector s = vector_add(w, given);
  const vector t = vector_subtract(s, w);
  const vector e = vector_add(vector_subtract(w, vector_subtract(s, t)), vector_subtract(given, t));
  return (struct differences){.base = w, .intended = given, .lost = vector_subtract(vector_subtract(o, s), e)};
}

SMK_INLINE float total_of_lanes(const vector *sums) {
  float lanes[SUM_LANES];
  UNROLL
  for (size_t v = 0; v < SUM_VECTORS; v++) vector_store(lanes + v * VECTOR_WIDTH, sums[v]);
  for (size_t half = SUM_LANES / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; i++) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

// Whether a sum of squares is finite, and so large that squares that vanished do not show.
SMK_INLINE int is_trustworthy(float total) { return total >= 0x1p-100f && total <= 0x1.fffffep127f; }

// Returns whether fp32 was wide enough. For a count that is a multiple of SUM_LANES.
SMK_INLINE int sum_narrow(struct square_sums *sums, const smk_dtype base_dtype, const char *base,
                          const smk_dtype out_dtype, const char *output, const float *intended, const int are_deltas,
                          size_t count) {
  vector intended_sums[SUM_VECTORS], lost_sums[SUM_VECTORS], base_sums[SUM_VECTORS];
  UNROLL
  for (size_t v = 0; v < SUM_VECTORS; v++) intended_sums[v] = lost_sums[v] = base_sums[v] = vector_zero();
  for (size_t i = 0; i < count; i += SUM_LANES) {
    UNROLL
    for (size_t v = 0; v < SUM_VECTORS; v++) {
      struct differences d =
          differences_at(base_dtype, base, out_dtype, output, intended, are_deltas, i + v * VECTOR_WIDTH);
      intended_sums[v] = vector_add(vector_multiply(d.intended, d.intended), intended_sums[v]);
      lost_sums[v] = vector_add(vector_multiply(d.lost, d.lost), lost_sums[v]);
      base_sums[v] = vector_add(vector_multiply(d.base, d.base), base_sums[v]);
    }
  }
  const float intended_total = total_of_lanes(intended_sums);
  const float lost_total = total_of_lanes(lost_sums);
  const float base_total = total_of_lanes(base_sums);
  *sums = (struct square_sums){.intended = intended_total, .lost = lost_total, .base = base_total};
  if (__builtin_expect(
          is_trustworthy(intended_total) & is_trustworthy(lost_total) & is_trustworthy(base_total), 1)) {
    return 1;
  }
  // Rows that an update leaves alone have sums of 0: right, if it is not that all squares vanished.
  magnitudes largest_intended = magnitudes_zero(), largest_lost = magnitudes_zero(), largest_base = magnitudes_zero();
  for (size_t i = 0; i < count; i += VECTOR_WIDTH) {
    struct differences d = differences_at(base_dtype, base, out_dtype, output, intended, are_deltas, i);
    largest_intended = magnitudes_max(largest_intended, d.intended);
    largest_lost = magnitudes_max(largest_lost, d.lost);
    largest_base = magnitudes_max(largest_base, d.base);
  }
  return (is_trustworthy(intended_total) || !magnitudes_reach(largest_intended, 1))
      && (is_trustworthy(lost_total) || !magnitudes_reach(largest_lost, 1))
      && (is_trustworthy(base_total) || !magnitudes_reach(largest_base, 1));
}

// The same for any count up to CHUNK: elements of 0 behind the last add nothing.
SMK_INLINE int sum_padded(struct square_sums *sums, const smk_dtype base_dtype, const char *base,
                          const smk_dtype out_dtype, const char *output, const float *intended, const int are_deltas,
                          size_t count) {
  if (__builtin_expect(count % SUM_LANES == 0, 1)) {
    return sum_narrow(sums, base_dtype, base, out_dtype, output, intended, are_deltas, count);
  }
  char padded_base[CHUNK * 4] = {0}, padded_output[CHUNK * 4] = {0};
  float padded_intended[CHUNK] = {0};
  memcpy(padded_base, base, count * smk_byte_count(base_dtype));
  memcpy(padded_output, output, count * smk_byte_count(out_dtype));
  memcpy(padded_intended, intended, count * sizeof *intended);
  return sum_narrow(sums, base_dtype, padded_base, out_dtype, padded_output, padded_intended, are_deltas,
                    (count + SUM_LANES - 1) / SUM_LANES * SUM_LANES);
}

// In fp64, for any numbers: no square of a finite fp32 number is too large or too small for it.
static void sum_wide(struct square_sums *sums, smk_dtype base_dtype, const char *base, smk_dtype out_dtype,
                     const char *output, const float *intended, int are_deltas, size_t count) {
  float before[CHUNK], after[CHUNK];
  double8 intended_sums = {0}, lost_sums = {0}, base_sums = {0};
  widen(base_dtype, base, count, before);
  widen(out_dtype, output, count, after);
  for (size_t i = 0; i < count; i += LANES) {
    float8 w8 = {0}, o8 = {0}, wanted8 = {0};
    for (size_t lane = 0; lane < smaller(count - i, LANES); lane++) {
      const size_t j = i + lane;
      if (!smk_is_finite(smk_bits(before[j])) || !smk_is_finite(smk_bits(after[j]))
          || !smk_is_finite(smk_bits(intended[j]))) {
        continue;
      }
      w8[lane] = before[j];
      o8[lane] = after[j];
      wanted8[lane] = intended[j];
    }
    double8 w = __builtin_convertvector(w8, double8);
    double8 o = __builtin_convertvector(o8, double8);
    double8 wanted = __builtin_convertvector(wanted8, double8);
    double8 change = are_deltas ? wanted : wanted - w;
    double8 lost = are_deltas ? (o - w) - change : o - wanted;
    intended_sums += change * change;
    lost_sums += lost * lost;
    base_sums += w * w;
  }
  *sums = (struct square_sums){0};
  for (size_t lane = 0; lane < LANES; lane++) {
    sums->intended += intended_sums[lane];
    sums->lost += lost_sums[lane];
    sums->base += base_sums[lane];
  }
}

SMK_INLINE smk_row_statistics statistics_of_pair(const smk_dtype base_dtype, const char *base,
                                                 const smk_dtype out_dtype, const char *output, const float *intended,
                                                 const int are_deltas, size_t count) {
  const size_t base_size = smk_byte_count(base_dtype), out_size = smk_byte_count(out_dtype);
  smk_row_statistics result = {0};
  for (size_t i = 0; i < count; i += CHUNK) {
    const size_t here = smaller(count - i, CHUNK);
    const char *b = base + i * base_size, *o = output + i * out_size;
    struct square_sums sums;
    if (!sum_padded(&sums, base_dtype, b, out_dtype, o, intended + i, are_deltas, here)) {
      sum_wide(&sums, base_dtype, b, out_dtype, o, intended + i, are_deltas, here);
    }
    result.changed_count += count_changed(base_dtype, b, out_dtype, o, here);
    result.intended_squares += sums.intended;
    result.lost_squares += sums.lost;
    result.base_squares += sums.base;
  }
  return result;
}

#define DEFINE_STATISTICS(in, out)                                                                                 \
  static smk_row_statistics statistics_##in##_##out(const void *base, const void *output, const float *intended, \
                                                    int are_deltas, size_t count) {                               \
    return are_deltas ? statistics_of_pair(SMK_##in, base, SMK_##out, output, intended, 1, count)                 \
                      : statistics_of_pair(SMK_##in, base, SMK_##out, output, intended, 0, count);                \
  }
#define DEFINE_STATISTICS_FROM(in) DEFINE_STATISTICS(in, F32) DEFINE_STATISTICS(in, F16) DEFINE_STATISTICS(in, BF16)
DEFINE_STATISTICS_FROM(F32)
DEFINE_STATISTICS_FROM(F16)
DEFINE_STATISTICS_FROM(BF16)

static smk_row_statistics row_statistics(smk_dtype base_dtype, const void *base, smk_dtype out_dtype,
                                         const void *output, const float *intended, int are_deltas, size_t count) {
  typedef smk_row_statistics (*statistics_function)(const void *, const void *, const float *, int, size_t);
#define NAME_STATISTICS(in)                                                           \
  [SMK_##in] = {[SMK_F32] = statistics_##in##_F32, [SMK_F16] = statistics_##in##_F16, \
                [SMK_BF16] = statistics_##in##_BF16}
  static const statistics_function functions[3][3] = {NAME_STATISTICS(F32), NAME_STATISTICS(F16),
                                                      NAME_STATISTICS(BF16)};
  return functions[base_dtype][out_dtype](base, output, intended, are_deltas, count);
}
