#if defined(__x86_64__)
#include <math.h>
#include <string.h>
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define VARIANT(name) spa_avx2_##name
#include "plain_body.h"
#pragma clang attribute pop
#endif
