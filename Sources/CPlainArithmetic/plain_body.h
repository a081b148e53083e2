// The loops, once for every instruction set. Included by baseline.c and avx2.c, which define VARIANT(name).

#include <math.h>
#include <string.h>

#include "CPlainArithmetic.h"
#include "variants.h"

// A multiply and an add are fused only where it is written.
#pragma STDC FP_CONTRACT OFF

static inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint64_t bits_of_double(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline double double_of(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Of a subnormal half the shifted bits are a subnormal float; the product with 2^112 is exact for both kinds.
static inline float float_of_half(uint16_t half) {
  uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
  uint32_t finite = bits_of(float_of(magnitude) * 0x1p112f);
  uint32_t special = magnitude | 0x7f800000;
  uint32_t bits = (half & 0x7c00) == 0x7c00 ? special : finite;
  return float_of(bits | (uint32_t)(half & 0x8000) << 16);
}

static inline uint16_t half_of_float(float value) {
  uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
  // The spacing of floats at one half is that of subnormal halves.
  if (magnitude < 0x38800000) return (uint16_t)(sign | (bits_of(float_of(magnitude) + 0.5f) - 0x3f000000));
  return (uint16_t)(sign | (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13);
}

static inline uint16_t bfloat_of_float(float value) {
  uint32_t bits = bits_of(value);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  uint32_t quiet = bits >> 16 | 0x40;
  return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
}

static inline uint16_t load_16(const void *source, size_t index) {
  uint16_t bits;
  memcpy(&bits, (const char *)source + 2 * index, sizeof bits);
  return bits;
}

static inline uint32_t load_32(const void *source, size_t index) {
  uint32_t bits;
  memcpy(&bits, (const char *)source + 4 * index, sizeof bits);
  return bits;
}

void VARIANT(widen)(spa_dtype dtype, const void *source, size_t count, float *destination) {
  switch (dtype) {
    case SPA_F32: memcpy(destination, source, 4 * count); break;
    case SPA_F16:
      for (size_t i = 0; i < count; i++) destination[i] = float_of_half(load_16(source, i));
      break;
    case SPA_BF16:
      for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)load_16(source, i) << 16;
        memcpy(destination + i, &bits, sizeof bits);
      }
      break;
  }
}

void VARIANT(round)(spa_dtype dtype, const float *source, size_t count, void *destination) {
  switch (dtype) {
    case SPA_F32: memcpy(destination, source, 4 * count); break;
    case SPA_F16:
      for (size_t i = 0; i < count; i++) {
        uint16_t bits = half_of_float(source[i]);
        memcpy((char *)destination + 2 * i, &bits, sizeof bits);
      }
      break;
    case SPA_BF16:
      for (size_t i = 0; i < count; i++) {
        uint16_t bits = bfloat_of_float(source[i]);
        memcpy((char *)destination + 2 * i, &bits, sizeof bits);
      }
      break;
  }
}

// Four terms of the sum at a time, so that the sums are loaded and stored less often; columns in runs that stay in the
// first-level cache.
#define RUN 1024

#define DEFINE_PRODUCT(name, type, step, prepare)                                                         \
  void VARIANT(name)(const float *left, const float *right, size_t rank, size_t columns, type *sums) {      \
    for (size_t first = 0; first < columns; first += RUN) {                                                 \
      size_t count = columns - first < RUN ? columns - first : RUN;                                         \
      type *restrict sum = sums + first;                                                                    \
      for (size_t n = 0; n < count; n++) sum[n] = 0;                                                        \
      size_t k = 0;                                                                                         \
      for (; k + 4 <= rank; k += 4) {                                                                       \
        const float *restrict r0 = right + k * columns + first, *restrict r1 = r0 + columns;                \
        const float *restrict r2 = r1 + columns, *restrict r3 = r2 + columns;                               \
        const type l0 = prepare(left[k]), l1 = prepare(left[k + 1]);                                        \
        const type l2 = prepare(left[k + 2]), l3 = prepare(left[k + 3]);                                    \
        for (size_t n = 0; n < count; n++) {                                                                \
          type value = sum[n];                                                                              \
          value = step(l0, prepare(r0[n]), value);                                                          \
          value = step(l1, prepare(r1[n]), value);                                                          \
          value = step(l2, prepare(r2[n]), value);                                                          \
          sum[n] = step(l3, prepare(r3[n]), value);                                                         \
        }                                                                                                   \
      }                                                                                                     \
      for (; k < rank; k++) {                                                                               \
        const float *restrict row = right + k * columns + first;                                            \
        const type factor = prepare(left[k]);                                                               \
        for (size_t n = 0; n < count; n++) sum[n] = step(factor, prepare(row[n]), sum[n]);                   \
      }                                                                                                     \
    }                                                                                                       \
  }

#define FUSED_F32(a, b, c) __builtin_fmaf(a, b, c)
// Products of two floats are exact in fp64.
#define PLAIN_F64(a, b, c) ((c) + (a) * (b))
#define AS_IS(x) (x)
#define MAGNITUDE(x) __builtin_fabs((double)(x))

DEFINE_PRODUCT(product_f32, float, FUSED_F32, AS_IS)
DEFINE_PRODUCT(product_f64, double, PLAIN_F64, (double))
DEFINE_PRODUCT(spreads, double, PLAIN_F64, MAGNITUDE)

void VARIANT(add_scaled_f32)(float *delta, const float *values, size_t count, float scale) {
  for (size_t i = 0; i < count; i++) delta[i] = delta[i] + scale * values[i];
}

void VARIANT(add_scaled_f64)(double *delta, const double *values, size_t count, double scale) {
  for (size_t i = 0; i < count; i++) delta[i] += scale * values[i];
}

void VARIANT(start)(const float *weights, size_t count, float *values, double *exact, double *scales) {
  memcpy(values, weights, count * sizeof *values);
  for (size_t i = 0; i < count; i++) exact[i] = weights[i];
  for (size_t i = 0; i < count; i++) scales[i] = __builtin_fabs((double)weights[i]);
}

void VARIANT(clear)(float *delta, double *exact_delta, size_t count) {
  for (size_t i = 0; i < count; i++) delta[i] = -0.0f;
  for (size_t i = 0; i < count; i++) exact_delta[i] = 0;
}

void VARIANT(accumulate)(float *values, double *exact, double *scales, const float *delta, const double *exact_delta,
                         size_t count) {
  for (size_t i = 0; i < count; i++) values[i] = values[i] + delta[i];
  for (size_t i = 0; i < count; i++) exact[i] = exact[i] + exact_delta[i];
  for (size_t i = 0; i < count; i++) scales[i] = scales[i] + __builtin_fabs(exact_delta[i]);
}

void VARIANT(settle_nans)(const float *weights, float *values, size_t count) {
  uint32_t nans = 0;
  for (size_t i = 0; i < count; i++) nans += (load_32(values, i) & 0x7fffffff) > 0x7f800000;
  if (!nans) return;
  for (size_t i = 0; i < count; i++) {
    if ((load_32(values, i) & 0x7fffffff) <= 0x7f800000) continue;
    uint32_t weight = load_32(weights, i);
    uint32_t settled = (weight & 0x7fffffff) > 0x7f800000 ? weight | 0x00400000 : 0x7fc00000;
    memcpy(values + i, &settled, sizeof settled);
  }
}

float VARIANT(norm_in_lanes)(const float *values, size_t count) {
  double lanes[8] = {0};
  for (size_t n = 0; n < count; n++) lanes[n % 8] += (double)values[n] * (double)values[n];
  double sum = 0;
  for (int lane = 0; lane < 8; lane++) sum += lanes[lane];
  return (float)__builtin_sqrt(sum);
}

static inline int mantissa_bits(spa_dtype dtype) { return dtype == SPA_F32 ? 23 : dtype == SPA_F16 ? 10 : 7; }

// The biased exponent, as fp64 has it, of the smallest normal number.
static inline uint64_t smallest_exponent(spa_dtype dtype) { return dtype == SPA_F16 ? 1023 - 14 : 1023 - 126; }

// The bits of the spacing at `value`, a power of two.
static inline uint64_t spacing_bits(double value, uint64_t smallest, uint64_t mantissa) {
  uint64_t exponent = bits_of_double(value) >> 52 & 0x7ff;
  exponent = exponent < smallest ? smallest : exponent;
  return (exponent - mantissa) << 52;
}

double VARIANT(spacing)(spa_dtype dtype, double value) {
  return double_of(spacing_bits(value, smallest_exponent(dtype), (uint64_t)mantissa_bits(dtype)));
}

static inline float load_as_float(const spa_dtype dtype, const void *source, size_t i) {
  return dtype == SPA_F32   ? float_of(load_32(source, i))
         : dtype == SPA_F16 ? float_of_half(load_16(source, i))
                            : float_of((uint32_t)load_16(source, i) << 16);
}

static inline uint32_t load_bits(const spa_dtype dtype, const void *source, size_t i) {
  return dtype == SPA_F32 ? load_32(source, i) : load_16(source, i);
}

#define INFINITE_BITS 0x7ff0000000000000ull

static inline __attribute__((always_inline)) void compare_run(const spa_dtype dtype, const void *found,
                                                              const double *exact, const double *scales,
                                                              const void *expected, size_t count, uint8_t *flags,
                                                              spa_comparison *result) {
  const uint64_t smallest = smallest_exponent(dtype), mantissa = (uint64_t)mantissa_bits(dtype);
  int64_t errors[RUN], scaled[RUN], worst = (int64_t)bits_of_double(result->worst);
  uint32_t otherwise = 0, mismatched = 0, strange = 0, cancelled = 0;
  for (size_t i = 0; i < count; i++) {
    double value = load_as_float(dtype, found, i), distance = __builtin_fabs(value - exact[i]);
    uint64_t spacing = spacing_bits(exact[i], smallest, mantissa);
    uint64_t coarse = spacing_bits(scales[i], smallest, mantissa);
    // The reciprocals of powers of two.
    errors[i] = (int64_t)bits_of_double(distance * double_of((2046ull << 52) - spacing));
    scaled[i] = (int64_t)bits_of_double(distance * double_of((2046ull << 52) - coarse));
  }
  for (size_t i = 0; i < count; i++) {
    // Half a unit: 0x3fe0...; there the even one of the two neighbors.
    int64_t limit = 0x3fe0000000000000 - (int64_t)(load_bits(dtype, found, i) & 1);
    int is_otherwise = errors[i] > limit;
    int is_mismatched = load_bits(dtype, found, i) != load_bits(dtype, expected, i);
    int is_strange = errors[i] >= (int64_t)INFINITE_BITS;
    flags[i] = (uint8_t)(is_otherwise * SPA_OTHERWISE + is_mismatched * SPA_MISMATCHED);
    otherwise += (uint32_t)is_otherwise;
    mismatched += (uint32_t)is_mismatched;
    strange += (uint32_t)is_strange;
  }
  if (strange) {
    // Infinities and NaNs: what counts is the bits.
    for (size_t i = 0; i < count; i++) {
      if (errors[i] < (int64_t)INFINITE_BITS) continue;
      errors[i] = scaled[i] = 0;
      if (flags[i] & SPA_MISMATCHED) continue;
      flags[i] = 0;
      otherwise--;
    }
  }
  // One spacing: 0x3ff0...
  for (size_t i = 0; i < count; i++) {
    worst = scaled[i] > worst ? scaled[i] : worst;
    cancelled += (uint32_t)(errors[i] > 0x3ff0000000000000 && scaled[i] <= 0x3ff0000000000000);
  }
  result->otherwise += otherwise;
  result->mismatched += mismatched;
  result->cancelled += cancelled;
  result->worst = double_of((uint64_t)worst);
}

spa_comparison VARIANT(compare)(spa_dtype dtype, const void *found, const double *exact, const double *scales,
                                const void *expected, size_t count, uint8_t *flags) {
  spa_comparison result = {0, 0, 0, 0};
  const size_t size = dtype == SPA_F32 ? 4 : 2;
  for (size_t first = 0; first < count; first += RUN) {
    size_t here = count - first < RUN ? count - first : RUN;
    const char *f = (const char *)found + first * size, *e = (const char *)expected + first * size;
    switch (dtype) {
      case SPA_F32: compare_run(SPA_F32, f, exact + first, scales + first, e, here, flags + first, &result); break;
      case SPA_F16: compare_run(SPA_F16, f, exact + first, scales + first, e, here, flags + first, &result); break;
      case SPA_BF16: compare_run(SPA_BF16, f, exact + first, scales + first, e, here, flags + first, &result); break;
    }
  }
  return result;
}

void VARIANT(count_nonfinite)(spa_dtype dtype, const void *source, size_t count, uint64_t *nan_count,
                              uint64_t *infinity_count) {
  uint64_t nans = 0, infinities = 0;
  const uint32_t mask = dtype == SPA_F32 ? 0x7fffffff : 0x7fff;
  const uint32_t infinity = dtype == SPA_F32 ? 0x7f800000 : dtype == SPA_F16 ? 0x7c00 : 0x7f80;
  if (dtype == SPA_F32) {
    for (size_t i = 0; i < count; i++) {
      uint32_t magnitude = load_32(source, i) & mask;
      nans += magnitude > infinity;
      infinities += magnitude == infinity;
    }
  } else {
    for (size_t i = 0; i < count; i++) {
      uint32_t magnitude = load_16(source, i) & mask;
      nans += magnitude > infinity;
      infinities += magnitude == infinity;
    }
  }
  *nan_count = nans;
  *infinity_count = infinities;
}

spa_difference VARIANT(difference_of)(spa_dtype left_dtype, const void *left, spa_dtype right_dtype, const void *right,
                                      size_t count) {
  spa_difference result = {0, 0, 0, 0, 0};
  float a[RUN], b[RUN];
  const size_t left_size = left_dtype == SPA_F32 ? 4 : 2, right_size = right_dtype == SPA_F32 ? 4 : 2;
  int64_t largest = 0;
  for (size_t first = 0; first < count; first += RUN) {
    size_t here = count - first < RUN ? count - first : RUN;
    VARIANT(widen)(left_dtype, (const char *)left + first * left_size, here, a);
    VARIANT(widen)(right_dtype, (const char *)right + first * right_size, here, b);
    // Eight sums side by side, added at the end of the run.
    double squares[8] = {0}, lefts[8] = {0};
    uint32_t changed = 0, skipped = 0;
    for (size_t i = 0; i < here; i++) {
      double x = a[i], difference = (double)b[i] - x;
      int64_t magnitude = (int64_t)(bits_of_double(difference) & 0x7fffffffffffffffull);
      int is_finite = magnitude < (int64_t)INFINITE_BITS;
      int are_alike = bits_of(a[i]) == bits_of(b[i]) || magnitude == 0 || (a[i] != a[i] && b[i] != b[i]);
      changed += (uint32_t)!are_alike;
      skipped += (uint32_t)!is_finite;
      double kept = is_finite ? difference : 0, left_kept = is_finite ? x : 0;
      largest = is_finite && magnitude > largest ? magnitude : largest;
      squares[i % 8] += kept * kept;
      lefts[i % 8] += left_kept * left_kept;
    }
    result.changed += changed;
    result.skipped += skipped;
    for (int lane = 0; lane < 8; lane++) {
      result.difference_squares += squares[lane];
      result.left_squares += lefts[lane];
    }
  }
  result.largest = double_of((uint64_t)largest);
  return result;
}
