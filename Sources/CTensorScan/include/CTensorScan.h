// Figures of many elements in one pass: smallest, largest, sums, zeros, NaNs, infinities.
//
// All variants give the same bits: 16 lanes, element i in lane i mod 16, each summed in its order in fp64; lanes are added
// in a tree. The product of two fp32 values is exact in fp64, so that a fused multiply-add changes nothing.
#ifndef C_TENSOR_SCAN_H
#define C_TENSOR_SCAN_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
  CTS_F16,
  CTS_BF16,
  CTS_F32,
  CTS_F64,
  CTS_I16,
  CTS_U16,
  CTS_I32,
  CTS_U32,
  CTS_I64,
  CTS_U64,
} cts_dtype;

typedef struct {
  double sum;          // of the finite elements
  double sum_squares;  // of the finite elements
  double minimum;      // of the finite elements; +infinity where there are none
  double maximum;      // of the finite elements; -infinity where there are none
  uint64_t zeros;      // of either sign
  uint64_t nans;
  uint64_t infinities;
} cts_figures;

// Figures of `count` little-endian elements, with the fastest variant that the processor runs. 64-bit integers beyond 2^53
// are rounded to fp64.
cts_figures cts_scan(cts_dtype dtype, const void *elements, size_t count);

// The instruction sets that there are loops for, slowest first.
typedef enum {
  CTS_PORTABLE,
  CTS_AVX2,
  CTS_AVX512,
} cts_variant;

// The fastest that the processor runs; it runs those before it too.
cts_variant cts_best_variant(void);

// The same as cts_scan with a variant that the processor runs.
cts_figures cts_scan_by(cts_variant variant, cts_dtype dtype, const void *elements, size_t count);

// Adds to each of 256 counters how often its byte stands in `bytes`.
void cts_count_bytes(const void *bytes, size_t count, uint64_t *counters);

#endif
