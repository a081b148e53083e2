// Stochastic rounding. Included by kernel_body.h.
//
// The bits come from Philox4x32-10: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.

#define PHILOX_BLOCKS 16
#define RANDOM_RUN (4 * PHILOX_BLOCKS)

// words[4 * b + w] = word w of the block with counter (first_block + b, tensor) and key `seed`.
static void random_blocks(uint64_t seed, uint64_t tensor, uint64_t first_block, uint32_t *words) {
  uint32_t c0[PHILOX_BLOCKS], c1[PHILOX_BLOCKS], c2[PHILOX_BLOCKS], c3[PHILOX_BLOCKS];
  for (size_t b = 0; b < PHILOX_BLOCKS; b++) {
    uint64_t block = first_block + b;
    c0[b] = (uint32_t)block;
    c1[b] = (uint32_t)(block >> 32);
    c2[b] = (uint32_t)tensor;
    c3[b] = (uint32_t)(tensor >> 32);
  }
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    for (size_t b = 0; b < PHILOX_BLOCKS; b++) {
      uint64_t p0 = (uint64_t)0xD2511F53 * c0[b], p1 = (uint64_t)0xCD9E8D57 * c2[b];
      c0[b] = (uint32_t)(p1 >> 32) ^ c1[b] ^ k0;
      c2[b] = (uint32_t)(p0 >> 32) ^ c3[b] ^ k1;
      c1[b] = (uint32_t)p1;
      c3[b] = (uint32_t)p0;
    }
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  for (size_t b = 0; b < PHILOX_BLOCKS; b++) {
    words[4 * b] = c0[b];
    words[4 * b + 1] = c1[b];
    words[4 * b + 2] = c2[b];
    words[4 * b + 3] = c3[b];
  }
}

static void random_words(uint64_t seed, uint64_t tensor, uint64_t first, size_t count, uint32_t *words) {
  uint32_t run[RANDOM_RUN];
  for (size_t i = 0; i < count;) {
    const size_t skipped = (first + i) % 4;
    const size_t here = smaller(count - i, RANDOM_RUN - skipped);
    random_blocks(seed, tensor, (first + i) / 4, run);
    memcpy(words + i, run + skipped, here * sizeof *words);
    i += here;
  }
}

// The values to be rounded: sums[i] = weight[i] + values[i] or values[i] itself. Returns whether all of them are below
// `limit` in magnitude.
SMK_INLINE int values_to_round(const float *weight, const float *values, const int are_deltas, uint32_t limit,
                               size_t count, uint32_t *sums) {
  uint32_t beyond = 0;
  for (size_t i = 0; i < count; i++) {
    sums[i] = smk_bits(are_deltas ? weight[i] + values[i] : values[i]);
    beyond |= (sums[i] & 0x7fffffff) >= limit;
  }
  return !beyond;
}

SMK_INLINE uint64_t round_run(const float *weight, const float *values, const int are_deltas, const smk_dtype out,
                              char *destination, size_t count, const uint32_t *random) {
  const uint32_t largest = out == SMK_F16 ? 0x477fe000 : 0x7f7f0000;
  uint32_t sums[RANDOM_RUN];
  uint64_t overflows = 0;
  if (__builtin_expect(values_to_round(weight, values, are_deltas, largest, count, sums), 1)) {
    uint16_t rounded[RANDOM_RUN];  // nothing else can be in it, as the compiler has to know
    for (size_t i = 0; i < count; i++) {
      rounded[i] = (uint16_t)(out == SMK_F16 ? smk_f16_from_small_f32_randomly(sums[i], random[i])
                                             : smk_bf16_from_small_f32_randomly(sums[i], random[i]));
    }
    memcpy(destination, rounded, count * sizeof *rounded);
    return 0;
  }
  for (size_t i = 0; i < count; i++) {
    uint32_t w = smk_bits(weight[i]);
    uint32_t value = smk_settle_nan(w, sums[i]);
    overflows += smk_is_finite(w) && (value & 0x7fffffff) >= smk_first_overflow(out);
    uint32_t rounded = out == SMK_F16 ? smk_f16_from_f32_randomly(value, random[i])
                                      : smk_bf16_from_f32_randomly(value, random[i]);
    smk_store_u16(destination + i * 2, rounded);
  }
  return overflows;
}

// `values` are deltas to add to the weights, or what is to be rounded as it is.
static uint64_t round_stochastically(smk_dtype in, const void *weight, const float *values, int are_deltas,
                                     smk_dtype out, void *destination, size_t count, uint64_t seed, uint64_t tensor,
                                     uint64_t first) {
  uint32_t random[RANDOM_RUN];
  float wide[RANDOM_RUN];
  uint64_t overflows = 0;
  for (size_t i = 0, here; i < count; i += here) {
    here = smaller(count - i, RANDOM_RUN - (first + i) % 4);  // from the second on, runs start with a block
    char *target = (char *)destination + i * 2;
    random_words(seed, tensor, first + i, here, random);
    widen(in, (const char *)weight + i * smk_byte_count(in), here, wide);
    if (are_deltas) {
      overflows += out == SMK_F16 ? round_run(wide, values + i, 1, SMK_F16, target, here, random)
                                  : round_run(wide, values + i, 1, SMK_BF16, target, here, random);
    } else {
      overflows += out == SMK_F16 ? round_run(wide, values + i, 0, SMK_F16, target, here, random)
                                  : round_run(wide, values + i, 0, SMK_BF16, target, here, random);
    }
  }
  return overflows;
}
