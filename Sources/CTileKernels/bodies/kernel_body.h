// The loops, once for all variants. Included at the end of a variant's file, which includes <math.h> and <string.h> and
// defines
//
//   VARIANT                          its name as an identifier
//   VECTOR_WIDTH                     floats in a vector: a divisor of 16
//   BLOCK_ROWS, BLOCK_PANELS         the register block: 4 or 6 rows, 1 or 4 panels of 16 columns
//   UNROLL                           a pragma before loops over the register block
//   vector, vector_load, vector_store, vector_broadcast, vector_zero, vector_add, vector_subtract,
//   vector_multiply
//   vector_fma(a, b, c)              a * b + c, rounded once
//   vector_load_f16, vector_load_bf16, vector_store_f16, vector_store_bf16
//                                    16-bit values at any alignment; the stores need not handle NaN
//   HAS_BF16_PAIRS                   optional: vector_load_bf16_pair, vector_store_bf16_pair, two vectors at once
//   HAS_LOOKUP                       optional: lookup, 16 numbers; lookup_of(numbers); lookup_16(numbers, codes, values): those
//                                    of 16 codes below 16, a byte each
//   HAS_BRISK_BF16_PAIRS             optional: brisk_words and its functions, a faster store with a check afterwards
//   magnitudes, magnitudes_zero, magnitudes_max(m, v), magnitudes_reach(m, bits)
//                                    the running maximum of |v| as integers, lane by lane; whether one is >= bits

#include "scalar.h"
#include "scalar_stochastic.h"

#define VECTORS_PER_PANEL (SMK_PANEL_COLUMNS / VECTOR_WIDTH)
#define BLOCK_COLUMNS (BLOCK_PANELS * SMK_PANEL_COLUMNS)
#define BLOCK_VECTORS (BLOCK_PANELS * VECTORS_PER_PANEL)

SMK_INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static void add_scaled(float *delta, const float *values, size_t count, float scale) {
  vector factor = vector_broadcast(scale);
  size_t i = 0;
  for (; i + VECTOR_WIDTH <= count; i += VECTOR_WIDTH) {
    vector_store(delta + i, vector_add(vector_load(delta + i), vector_multiply(factor, vector_load(values + i))));
  }
  for (; i < count; i++) {
    float product = scale * values[i];
    delta[i] += product;
  }
}

// ---- conversions

#define GROUP 32
#define PREFETCH 2048  // bytes ahead
#define GROUP_VECTORS (GROUP / VECTOR_WIDTH)

SMK_INLINE vector load_as(smk_dtype dtype, const char *source) {
  switch (dtype) {
    case SMK_F16: return vector_load_f16(source);
    case SMK_BF16: return vector_load_bf16(source);
    case SMK_F32: break;
  }
  return vector_load(source);
}

SMK_INLINE void store_as(smk_dtype dtype, vector values, char *destination) {
  switch (dtype) {
    case SMK_F32: vector_store(destination, values); break;
    case SMK_F16: vector_store_f16(destination, values); break;
    case SMK_BF16: vector_store_bf16(destination, values); break;
  }
}

// Two vectors that lie one behind the other.
SMK_INLINE void load_pair_as(smk_dtype dtype, const char *source, vector *low, vector *high) {
#if HAS_BF16_PAIRS
  if (dtype == SMK_BF16) {
    vector_load_bf16_pair(source, low, high);
    return;
  }
#endif
  *low = load_as(dtype, source);
  *high = load_as(dtype, source + VECTOR_WIDTH * smk_byte_count(dtype));
}

SMK_INLINE void store_pair_as(smk_dtype dtype, vector low, vector high, char *destination) {
#if HAS_BF16_PAIRS
  if (dtype == SMK_BF16) {
    vector_store_bf16_pair(destination, low, high);
    return;
  }
#endif
  store_as(dtype, low, destination);
  store_as(dtype, high, destination + VECTOR_WIDTH * smk_byte_count(dtype));
}

SMK_INLINE void widen_from(const smk_dtype dtype, const char *source, size_t count, float *destination) {
  const size_t size = smk_byte_count(dtype);
  size_t i = 0;
  for (; i + VECTOR_WIDTH <= count; i += VECTOR_WIDTH) vector_store(destination + i, load_as(dtype, source + i * size));
  smk_scalar_widen(dtype, source + i * size, count - i, destination + i);
}

static void widen(smk_dtype dtype, const void *source, size_t count, float *destination) {
  switch (dtype) {
    case SMK_F32: memcpy(destination, source, count * sizeof *destination); break;
    case SMK_F16: widen_from(SMK_F16, source, count, destination); break;
    case SMK_BF16: widen_from(SMK_BF16, source, count, destination); break;
  }
}

// The weights come from memory while the rest of a tile is in cache; what the hardware fetches ahead by itself is too
// little next to the other streams. The address may lie past the end, which a prefetch ignores.
SMK_INLINE void prefetch(const char *source, size_t byte_count) {
  for (size_t i = 0; i < byte_count; i += 64) __builtin_prefetch((const void *)((uintptr_t)source + PREFETCH + i));
}

SMK_INLINE uint64_t combine_pair(const smk_dtype in, const char *weight, const float *delta, const smk_dtype out,
                                 char *destination, size_t count) {
  const size_t in_size = smk_byte_count(in), out_size = smk_byte_count(out);
  uint64_t overflows = 0;
  size_t i = 0;
  for (; i + GROUP <= count; i += GROUP) {
    vector sums[GROUP_VECTORS];
    magnitudes largest = magnitudes_zero();
    prefetch(weight + i * in_size, GROUP * in_size);
    UNROLL
    for (size_t v = 0; v < GROUP_VECTORS; v += 2) {
      size_t at = i + v * VECTOR_WIDTH;
      vector low, high;
      load_pair_as(in, weight + at * in_size, &low, &high);
      sums[v] = vector_add(low, vector_load(delta + at));
      sums[v + 1] = vector_add(high, vector_load(delta + at + VECTOR_WIDTH));
      largest = magnitudes_max(magnitudes_max(largest, sums[v]), sums[v + 1]);
    }
    // A NaN is greater than every number here, so the vector path below sees finite results only.
    if (__builtin_expect(magnitudes_reach(largest, smk_first_overflow(out)), 0)) {
      overflows += smk_scalar_combine(in, weight + i * in_size, delta + i, out, destination + i * out_size, GROUP);
      continue;
    }
    UNROLL
    for (size_t v = 0; v < GROUP_VECTORS; v += 2) {
      store_pair_as(out, sums[v], sums[v + 1], destination + (i + v * VECTOR_WIDTH) * out_size);
    }
  }
  return overflows
      + smk_scalar_combine(in, weight + i * in_size, delta + i, out, destination + i * out_size, count - i);
}

#define DEFINE_COMBINE(in, out)                                                                                    \
  static uint64_t combine_##in##_##out(const void *weight, const float *delta, void *destination, size_t count) { \
    return combine_pair(SMK_##in, weight, delta, SMK_##out, destination, count);                                   \
  }
#define DEFINE_COMBINES(in) DEFINE_COMBINE(in, F32) DEFINE_COMBINE(in, F16) DEFINE_COMBINE(in, BF16)
DEFINE_COMBINES(F32)
DEFINE_COMBINES(F16)
DEFINE_COMBINES(BF16)

static uint64_t combine(smk_dtype weight_dtype, const void *weight, const float *delta, smk_dtype out_dtype,
                        void *destination, size_t count) {
  typedef uint64_t (*combine_function)(const void *, const float *, void *, size_t);
#define NAME_COMBINES(in) \
  [SMK_##in] = {[SMK_F32] = combine_##in##_F32, [SMK_F16] = combine_##in##_F16, [SMK_BF16] = combine_##in##_BF16}
  static const combine_function functions[3][3] = {NAME_COMBINES(F32), NAME_COMBINES(F16), NAME_COMBINES(BF16)};
  return functions[weight_dtype][out_dtype](weight, delta, destination, count);
}

#include "kernel_product.h"
#include "kernel_blocks.h"
#include "kernel_decode.h"
#include "kernel_elementwise.h"
#include "kernel_encode.h"
#include "kernel_norms.h"
#include "kernel_projections.h"
#include "kernel_rescale.h"
#include "kernel_statistics.h"
#include "kernel_stochastic.h"

#define SMK_CONCATENATE(a, b) a##b
#define SMK_TABLE(variant) SMK_CONCATENATE(smk_, variant)
#define SMK_TEXT(name) #name
#define SMK_NAME(variant) SMK_TEXT(variant)

const smk_kernels SMK_TABLE(VARIANT) = {
    .name = SMK_NAME(VARIANT),
    .widen = widen,
    .product_to_delta = product_to_delta,
    .merge_product = merge_product,
    .add_block_products = add_block_products,
    .add_scaled = add_scaled,
    .combine = combine,
    .sum = sum,
    .scale = scale_values,
    .add_plain = add_plain,
    .fill_blocks = fill_blocks,
    .divide = divide,
    .round_delta = round_delta,
    .row_norms = row_norms,
    .torch_row_norms = torch_row_norms,
    .add_column_squares = add_column_squares,
    .torch_add_column_squares = torch_add_column_squares,
    .roots = roots,
    .torch_roots = torch_roots,
    .row_projections = row_projections,
    .rescale_by_one = rescale_by_one,
    .rescale_by_each = rescale_by_each,
    .random_words = random_words,
    .round_stochastically = round_stochastically,
    .row_statistics = row_statistics,
    .decode_codes = decode_codes,
    .decode_nibbles = decode_nibbles,
    .decode_transposed = decode_transposed,
    .largest_finite = largest_finite,
    .encode_e4m3 = encode_e4m3,
    .compare_codes = compare_codes,
    .block_magnitudes = block_magnitudes,
    .through_nf4 = through_nf4,
};
