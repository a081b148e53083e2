// Numbers of E4M3 (a sign, 4 bits of exponent with the bias 7, 3 bits of fraction; no infinities, one NaN), by their definition.

#include <math.h>
#include <string.h>

#include "CPlainArithmetic.h"

#pragma STDC FP_CONTRACT OFF

#define LARGEST 448.0
#define SMALLEST_EXPONENT (-6)
#define LARGEST_EXPONENT 8

// The exponent of the spacing of E4M3's numbers at `magnitude`: they have three bits after the leading one, and below 2^-6, the
// smallest normal number, the spacing of that.
static int spacing_exponent(double magnitude) {
  uint64_t bits;
  memcpy(&bits, &magnitude, sizeof bits);
  int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
  exponent = exponent < SMALLEST_EXPONENT ? SMALLEST_EXPONENT : exponent;
  return (exponent > LARGEST_EXPONENT ? LARGEST_EXPONENT : exponent) - 3;
}

static double power_of_two(int exponent) {
  uint64_t bits = (uint64_t)(exponent + 1023) << 52;
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

double spa_e4m3_value(uint8_t code) {
  int exponent = code >> 3 & 15, fraction = code & 7;
  if ((code & 0x7f) == 0x7f) return NAN;
  double magnitude = exponent == 0 ? fraction * power_of_two(-9) : (8 + fraction) * power_of_two(exponent - 10);
  return code & 0x80 ? -magnitude : magnitude;
}

double spa_e4m3_spacing(double value) { return power_of_two(spacing_exponent(fabs(value))); }

// So many steps of the spacing at the value: the nearest whole number, halves to even, which adding and subtracting 2^23 makes of a
// float below 2^22. A code counts the numbers below it.
static uint8_t code_of(float value) {
  if (value != value) return 0x7f;
  const float magnitude = fabsf(value) < (float)LARGEST ? fabsf(value) : (float)LARGEST;
  const int exponent = spacing_exponent(magnitude);
  const float steps = magnitude * (float)power_of_two(-exponent);
  const float shifted = steps + 0x1p23f;
  const int count = (int)(shifted - 0x1p23f);
  const int code = (exponent + 3 - SMALLEST_EXPONENT) * 8 + count;
  return (uint8_t)(code | (signbit(value) ? 0x80 : 0));
}

void spa_encode_e4m3(const float *values, size_t count, float scale, int divides, uint8_t *codes) {
  for (size_t i = 0; i < count; i++) {
    const float scaled = divides ? values[i] / scale : values[i] * scale;
    codes[i] = code_of(scaled);
  }
}

float spa_largest_finite(const float *values, size_t count) {
  float largest = 0;
  for (size_t i = 0; i < count; i++) {
    const float magnitude = fabsf(values[i]);
    if (magnitude > largest && magnitude < INFINITY) largest = magnitude;
  }
  return largest;
}

spa_comparison spa_compare_e4m3(const uint8_t *found, const double *exact, double scale, const uint8_t *expected,
                                size_t count, uint8_t *flags) {
  spa_comparison result = {0, 0, 0, 0};
  for (size_t i = 0; i < count; i++) {
    const double value = exact[i] / scale;
    const double steps = fabs(spa_e4m3_value(found[i]) - value) / spa_e4m3_spacing(value);
    const int is_mismatched = found[i] != expected[i];
    // Also where either is infinite or NaN, unless the code is the expected one.
    int is_otherwise = !(steps < 0.5 || (steps == 0.5 && !(found[i] & 1)));
    if (!isfinite(steps) && !is_mismatched) is_otherwise = 0;
    flags[i] = (uint8_t)(is_otherwise * SPA_OTHERWISE + is_mismatched * SPA_MISMATCHED);
    result.otherwise += (uint64_t)is_otherwise;
    result.mismatched += (uint64_t)is_mismatched;
    if (isfinite(steps) && steps > result.worst) result.worst = steps;
  }
  return result;
}
