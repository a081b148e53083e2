// Vectors of 16 lanes.
#ifndef CTS_LANES_H
#define CTS_LANES_H

#include <stdint.h>

#pragma STDC FP_CONTRACT OFF
// Vectors are passed between functions that are always inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#define LANES 16

typedef float floats __attribute__((ext_vector_type(LANES)));
typedef double doubles __attribute__((ext_vector_type(LANES)));
typedef uint32_t words __attribute__((ext_vector_type(LANES)));
typedef int32_t masks __attribute__((ext_vector_type(LANES)));
typedef uint16_t halves __attribute__((ext_vector_type(LANES)));

#define CTS_INLINE static inline __attribute__((always_inline))

#endif
