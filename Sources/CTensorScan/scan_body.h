// The loops of a scan. The file that includes this defines SCAN, the function's name, and types of 16 lanes by lanes.h;
// with WIDEN_F16 it has its own widened_f16, with ADD_SQUARE its own fused sum of squares.
#include <string.h>

#include "CTensorScan.h"
#include "lanes.h"

#define BLOCK 1024

#ifndef ADD_SQUARE
#define ADD_SQUARE(squares, wide) ((squares) + (wide) * (wide))
#endif

typedef struct {
  doubles sums, squares;
  floats least, most;
  // Minus the zeros of each lane that are not in `figures` yet.
  masks zeros;
  cts_figures figures;
} scan_state;

CTS_INLINE double lane_sum(doubles lanes) {
  double sums[LANES];
  memcpy(sums, &lanes, sizeof sums);
  for (int width = LANES / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; lane++) sums[lane] += sums[lane + width];
  }
  return sums[0];
}

// Up to BLOCK elements of which any may be infinite or NaN.
CTS_INLINE void add_any(scan_state *state, const double *values, size_t count) {
  double sums[LANES], squares[LANES];
  memcpy(sums, &state->sums, sizeof sums);
  memcpy(squares, &state->squares, sizeof squares);
  cts_figures *figures = &state->figures;
  for (size_t i = 0; i < count; i++) {
    double value = values[i];
    if (value != value) {
      figures->nans++;
    } else if (value - value != 0) {
      figures->infinities++;
    } else {
      figures->zeros += value == 0;
      figures->minimum = value < figures->minimum ? value : figures->minimum;
      figures->maximum = value > figures->maximum ? value : figures->maximum;
      sums[i % LANES] += value;
      squares[i % LANES] += value * value;
    }
  }
  memcpy(&state->sums, sums, sizeof sums);
  memcpy(&state->squares, squares, sizeof squares);
}

CTS_INLINE void count_zeros(scan_state *state) {
  state->figures.zeros -= (uint64_t)(int64_t)__builtin_reduce_add(state->zeros);
  state->zeros = 0;
}

CTS_INLINE floats widened_bf16(halves h) { return (floats)(__builtin_convertvector(h, words) << 16); }

#ifndef WIDEN_F16
CTS_INLINE floats widened_f16(halves h) {
  words bits = __builtin_convertvector(h, words);
  words magnitude = (bits & 0x7fff) << 13;
  // The exponent moves from bias 15 to bias 127; subnormals become normal on the way.
  words scaled = (words)((floats)magnitude * 0x1p112f);
  words special = (words)((bits & 0x7fff) >= 0x7c00);
  return (floats)((scaled & ~special) | ((magnitude | 0x7f800000) & special) | (bits & 0x8000) << 16);
}
#endif

// LANES elements from element i on.
CTS_INLINE floats widened(cts_dtype dtype, const char *elements, size_t i) {
  if (dtype == CTS_F32) {
    floats v;
    memcpy(&v, elements + 4 * i, sizeof v);
    return v;
  }
  halves h;
  memcpy(&h, elements + 2 * i, sizeof h);
  return dtype == CTS_BF16 ? widened_bf16(h) : widened_f16(h);
}

// Adds BLOCK elements if all are finite; else returns 0 and leaves `state` as it is.
CTS_INLINE int add_finite(scan_state *state, cts_dtype dtype, const char *elements) {
  floats least = state->least, most = state->most;
  masks zeros = state->zeros;
  doubles sums = state->sums, squares = state->squares;
  for (size_t i = 0; i < BLOCK; i += LANES) {
    floats v = widened(dtype, elements, i);
    least = v < least ? v : least;
    most = v > most ? v : most;
    zeros += v == 0;
    doubles wide = __builtin_convertvector(v, doubles);
    sums += wide;
    squares = ADD_SQUARE(squares, wide);
  }
  // An infinity or a NaN stays in the sum of its lane; of finite fp32 values fp64 holds any sum.
  if (!__builtin_reduce_and(sums - sums == 0)) return 0;
  state->sums = sums;
  state->squares = squares;
  state->least = least;
  state->most = most;
  state->zeros = zeros;
  return 1;
}

CTS_INLINE double element(cts_dtype dtype, const char *elements, size_t i) {
#define READ(type) \
  type value; \
  memcpy(&value, elements + i * sizeof value, sizeof value); \
  return (double)value;
  switch (dtype) {
    case CTS_F16:
    case CTS_BF16: {
      uint16_t bits;
      memcpy(&bits, elements + i * sizeof bits, sizeof bits);
      halves h = bits;
      return dtype == CTS_BF16 ? widened_bf16(h)[0] : widened_f16(h)[0];
    }
    case CTS_F32: { READ(float) }
    case CTS_F64: { READ(double) }
    case CTS_I16: { READ(int16_t) }
    case CTS_U16: { READ(uint16_t) }
    case CTS_I32: { READ(int32_t) }
    case CTS_U32: { READ(uint32_t) }
    case CTS_I64: { READ(int64_t) }
    case CTS_U64: { READ(uint64_t) }
  }
#undef READ
  return 0;
}

CTS_INLINE size_t width_of(cts_dtype dtype) {
  switch (dtype) {
    case CTS_F16: case CTS_BF16: case CTS_I16: case CTS_U16: return 2;
    case CTS_F32: case CTS_I32: case CTS_U32: return 4;
    default: return 8;
  }
}

CTS_INLINE cts_figures scan(cts_dtype dtype, const char *elements, size_t count) {
  scan_state state = {0};
  state.least = (floats)__builtin_inff();
  state.most = (floats)-__builtin_inff();
  state.figures.minimum = __builtin_inf();
  state.figures.maximum = -__builtin_inf();
  int is_short_float = dtype == CTS_F16 || dtype == CTS_BF16 || dtype == CTS_F32;
  size_t width = width_of(dtype);
  double wide[BLOCK];
  for (size_t done = 0; done < count; done += BLOCK) {
    const char *block = elements + done * width;
    size_t block_count = count - done < BLOCK ? count - done : BLOCK;
    if (is_short_float && block_count == BLOCK && add_finite(&state, dtype, block)) {
      // Before the sum of all lanes could leave 32 bits.
      if (done % (BLOCK << 16) == 0) count_zeros(&state);
      continue;
    }
    for (size_t i = 0; i < block_count; i++) wide[i] = element(dtype, block, i);
    add_any(&state, wide, block_count);
  }
  count_zeros(&state);
  double least = __builtin_reduce_min(state.least), most = __builtin_reduce_max(state.most);
  state.figures.minimum = least < state.figures.minimum ? least : state.figures.minimum;
  state.figures.maximum = most > state.figures.maximum ? most : state.figures.maximum;
  state.figures.sum = lane_sum(state.sums);
  state.figures.sum_squares = lane_sum(state.squares);
  return state.figures;
}

cts_figures SCAN(cts_dtype dtype, const void *elements, size_t count) {
  // A copy of the loops for each type, in which it is a constant.
  switch (dtype) {
    case CTS_F16: return scan(CTS_F16, elements, count);
    case CTS_BF16: return scan(CTS_BF16, elements, count);
    case CTS_F32: return scan(CTS_F32, elements, count);
    case CTS_F64: return scan(CTS_F64, elements, count);
    case CTS_I16: return scan(CTS_I16, elements, count);
    case CTS_U16: return scan(CTS_U16, elements, count);
    case CTS_I32: return scan(CTS_I32, elements, count);
    case CTS_U32: return scan(CTS_U32, elements, count);
    case CTS_I64: return scan(CTS_I64, elements, count);
    default: return scan(CTS_U64, elements, count);
  }
}
