// The loops, one for each instruction set.
#ifndef CTS_VARIANTS_H
#define CTS_VARIANTS_H

#include "CTensorScan.h"

cts_figures cts_scan_portable(cts_dtype dtype, const void *elements, size_t count);

#if defined(__x86_64__)
cts_figures cts_scan_avx2(cts_dtype dtype, const void *elements, size_t count);
cts_figures cts_scan_avx512(cts_dtype dtype, const void *elements, size_t count);
#endif

#endif
