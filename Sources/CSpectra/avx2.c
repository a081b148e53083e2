#if defined(__x86_64__)
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "variants.h"

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#define VARIANT(name) csp_avx2_##name
#include "spectra_body.h"
#pragma clang attribute pop
#endif
