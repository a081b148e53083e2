// The arithmetic of a merge written down a second time, by plain loops: what a result is checked against.
//
// Nothing of CTileKernels is used. The same loops are compiled for the baseline of the architecture and, on x86-64, for
// AVX2 with FMA; both give the same bits. Pointers to tensor bytes (`const void *`) may have any alignment. Nothing here
// checks its arguments or keeps state; the Swift target MergeChecking does.
#ifndef CPLAINARITHMETIC_H
#define CPLAINARITHMETIC_H

#include <stddef.h>
#include <stdint.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors data is little-endian, and so is this code"
#endif

typedef enum { SPA_F32, SPA_F16, SPA_BF16 } spa_dtype;

// destination[i] = source[i], exactly.
void spa_widen(spa_dtype dtype, const void *source, size_t count, float *destination);

// destination[i] = source[i] rounded to nearest even; a NaN becomes quiet and keeps its leading payload.
void spa_round(spa_dtype dtype, const float *source, size_t count, void *destination);

// sums[n] = sum over k < rank of left[k] * right[k * columns + n]: in fp32 a chain of fused multiply-adds from +0 in the
// order of k; in fp64 with what rounding there is; `spreads` sums the magnitudes of the products.
void spa_product_f32(const float *left, const float *right, size_t rank, size_t columns, float *sums);
void spa_product_f64(const float *left, const float *right, size_t rank, size_t columns, double *sums);
void spa_spreads(const float *left, const float *right, size_t rank, size_t columns, double *sums);

// delta[n] += scale * values[n]: in fp32 two roundings; in fp64.
void spa_add_scaled_f32(float *delta, const float *values, size_t count, float scale);
void spa_add_scaled_f64(double *delta, const double *values, size_t count, double scale);

// values[i] = exact[i] = weights[i], scales[i] = |weights[i]|, and nothing in the deltas: -0, which addition leaves
// unchanged, in the fp32 one.
void spa_start(const float *weights, size_t count, float *values, double *exact, double *scales);
void spa_clear(float *delta, double *exact_delta, size_t count);

// values[i] += delta[i]; exact[i] += exact_delta[i]; scales[i] += |exact_delta[i]|
void spa_accumulate(float *values, double *exact, double *scales, const float *delta, const double *exact_delta,
                    size_t count);

// Where values[i] is a NaN: the weight's, made quiet, if that is one, else the positive quiet NaN without payload.
void spa_settle_nans(const float *weights, float *values, size_t count);

// norm = (float)sqrt(sum of squares) with element n added in fp64 to lane n % 8 and the lanes from 0 to 7.
float spa_norm_in_lanes(const float *values, size_t count);

// The functions between the layers of a network, by the names that transformers has for them.
typedef enum {
  SPA_GELU, SPA_GELU_10, SPA_GELU_FAST, SPA_GELU_NEW, SPA_QUICK_GELU, SPA_HARDSWISH, SPA_LAPLACE, SPA_LEAKY_RELU,
  SPA_LINEAR, SPA_MISH, SPA_PRELU, SPA_RELU, SPA_RELU2, SPA_RELU6, SPA_SIGMOID, SPA_SILU, SPA_SQRTSOFTPLUS, SPA_TANH
} spa_function;
double spa_activation(spa_function function, double x);

// How many elements are NaN, and how many infinite.
void spa_count_nonfinite(spa_dtype dtype, const void *source, size_t count, uint64_t *nan_count, uint64_t *infinity_count);

typedef struct {
  uint64_t otherwise;   // elements that are not `exact` rounded once, to nearest even
  uint64_t mismatched;  // elements whose bits are not those of `expected`
  uint64_t cancelled;   // elements more than one spacing off at `exact`, and none at their scale
  double worst;         // the largest |found - exact| in units of the dtype's spacing at the scale, of finite ones
} spa_comparison;

#define SPA_OTHERWISE 1
#define SPA_MISMATCHED 2

// Compares `count` elements of `dtype` with the exact values and with the bits that are expected. scales[i] is the sum of
// the magnitudes of what was added up to exact[i], and no less than it: where they cancel, the roundings of a right result
// are those of its terms. flags[i] gets SPA_OTHERWISE and SPA_MISMATCHED. Where `found` or `exact` is infinite or NaN, an element is as it should be if its bits
// are the expected ones.
spa_comparison spa_compare(spa_dtype dtype, const void *found, const double *exact, const double *scales,
                           const void *expected, size_t count, uint8_t *flags);

// The value of a code of E4M3; NaN for its two NaNs.
double spa_e4m3_value(uint8_t code);

// The spacing of E4M3's numbers at `value`; above 448, the largest, that at 448.
double spa_e4m3_spacing(double value);

// codes[i] = the number of E4M3 next to values[i] / scale, or to values[i] * scale, in fp32; halves to even. What is larger than
// 448 becomes 448, a NaN 0x7f.
void spa_encode_e4m3(const float *values, size_t count, float scale, int divides, uint8_t *codes);

// The largest magnitude of the finite values, or 0 without a finite value.
float spa_largest_finite(const float *values, size_t count);

// Compares codes of E4M3, whose values are multiplied by `scale`, with the exact values and with the codes that are expected, as
// spa_compare does. Distances are in units of the spacing of E4M3's numbers at exact[i] / scale.
spa_comparison spa_compare_e4m3(const uint8_t *found, const double *exact, double scale, const uint8_t *expected,
                                size_t count, uint8_t *flags);

// Whether two runs of bytes are the same.
int spa_are_equal(const void *left, const void *right, size_t count);

// The spacing of the dtype's numbers at `value`.
double spa_spacing(spa_dtype dtype, double value);

typedef struct {
  uint64_t changed;          // elements whose values differ, or of which one is NaN and the other is not
  uint64_t skipped;          // elements of which one is infinite or NaN: they are in no sum
  double largest;            // the largest |a - b|
  double difference_squares; // sum of (a - b)^2
  double left_squares;       // sum of a^2
} spa_difference;

// The difference of two runs of elements, in fp64.
spa_difference spa_difference_of(spa_dtype left_dtype, const void *left, spa_dtype right_dtype, const void *right,
                                 size_t count);

#endif
