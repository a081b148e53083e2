// 16 lanes: AVX-512 F, BW, DQ and VL (x86-64-v4; Intel servers since 2017, AMD since 2022).
#if defined(__x86_64__)

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
                             apply_to = function)

#define VARIANT avx512
#include "avx512.h"
#include "../bodies/kernel_body.h"

#pragma clang attribute pop

#endif
