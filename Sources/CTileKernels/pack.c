// Factors in any layout to the two layouts that the products read.
#include <string.h>

#include "variants/variant.h"

// Length of the runs that are widened at once: long enough to amortise a call, short enough for the first-level cache.
#define RUN 256

// destination[i] = element i * stride of source, for count <= RUN.
static void widen_run(const smk_kernels *kernels, smk_dtype dtype, const char *source, size_t stride, size_t count,
                      float *destination) {
  const size_t size = smk_byte_count(dtype);
  char gathered[RUN * sizeof(float)];
  if (stride != 1 && count > 1) {
    if (size == 2) {
      for (size_t i = 0; i < count; i++) memcpy(gathered + i * 2, source + i * stride * 2, 2);
    } else {
      for (size_t i = 0; i < count; i++) memcpy(gathered + i * 4, source + i * stride * 4, 4);
    }
    source = gathered;
  }
  smk_widen(kernels, dtype, source, count, destination);
}

void smk_pack_right(const smk_kernels *kernels, smk_dtype dtype, const void *source, size_t row_stride,
                    size_t column_stride, size_t rank, size_t columns, size_t first_panel, size_t panel_count,
                    float *packed) {
  const size_t size = smk_byte_count(dtype);
  const char *bytes = source;
  const size_t panels_per_run = RUN / SMK_PANEL_COLUMNS;
  float run[RUN];
  for (size_t p = 0; p < panel_count; p += panels_per_run) {
    const size_t panels = panel_count - p < panels_per_run ? panel_count - p : panels_per_run;
    const size_t first = (first_panel + p) * SMK_PANEL_COLUMNS;
    const size_t padded = panels * SMK_PANEL_COLUMNS;
    const size_t existing = columns - first < padded ? columns - first : padded;
    float *target = packed + p * rank * SMK_PANEL_COLUMNS;
    if (column_stride == 1 || row_stride != 1) {
      memset(run + existing, 0, (padded - existing) * sizeof *run);
      for (size_t k = 0; k < rank; k++) {
        const char *row = bytes + (k * row_stride + first * column_stride) * size;
        widen_run(kernels, dtype, row, column_stride, existing, run);
        for (size_t q = 0; q < panels; q++) {
          memcpy(target + (q * rank + k) * SMK_PANEL_COLUMNS, run + q * SMK_PANEL_COLUMNS,
                 SMK_PANEL_COLUMNS * sizeof *run);
        }
      }
      continue;
    }
    for (size_t n = 0; n < padded; n++) {
      float *column = target + n / SMK_PANEL_COLUMNS * rank * SMK_PANEL_COLUMNS + n % SMK_PANEL_COLUMNS;
      if (n >= existing) {
        for (size_t k = 0; k < rank; k++) column[k * SMK_PANEL_COLUMNS] = 0;
        continue;
      }
      for (size_t k = 0; k < rank; k += RUN) {
        const size_t count = rank - k < RUN ? rank - k : RUN;
        widen_run(kernels, dtype, bytes + (k + (first + n) * column_stride) * size, 1, count, run);
        for (size_t i = 0; i < count; i++) column[(k + i) * SMK_PANEL_COLUMNS] = run[i];
      }
    }
  }
}

void smk_pack_left(const smk_kernels *kernels, smk_dtype dtype, const void *source, size_t row_stride,
                   size_t column_stride, size_t rows, size_t rank, float *packed) {
  const size_t size = smk_byte_count(dtype);
  const char *bytes = source;
  if (column_stride == 1 && row_stride == rank) {
    smk_widen(kernels, dtype, bytes, rows * rank, packed);
    return;
  }
  if (column_stride == 1 || row_stride != 1) {
    for (size_t m = 0; m < rows; m++) {
      for (size_t k = 0; k < rank; k += RUN) {
        const size_t count = rank - k < RUN ? rank - k : RUN;
        widen_run(kernels, dtype, bytes + (m * row_stride + k * column_stride) * size, column_stride, count,
                  packed + m * rank + k);
      }
    }
    return;
  }
  float run[RUN];
  for (size_t m = 0; m < rows; m += RUN) {
    const size_t count = rows - m < RUN ? rows - m : RUN;
    for (size_t k = 0; k < rank; k++) {
      widen_run(kernels, dtype, bytes + (m + k * column_stride) * size, 1, count, run);
      for (size_t i = 0; i < count; i++) packed[(m + i) * rank + k] = run[i];
    }
  }
}
