// The inner loops of a merge: widening, low-rank products, rounding.
//
// Every loop is compiled once per instruction set; all variants give the same bits. Pointers to tensor bytes
// (`const void *`, `void *`) may have any alignment; pointers to float are aligned as float. No function checks
// its arguments or keeps state; the Swift target TileKernels is the checked interface.
//
// Every operation runs in the default floating-point environment (round to nearest even, subnormals kept), whatever
// the calling thread has set, and leaves that thread's settings as they were.
#ifndef CTILEKERNELS_H
#define CTILEKERNELS_H

#include <stddef.h>
#include <stdint.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors data is little-endian, and so is this code"
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { SMK_F32, SMK_F16, SMK_BF16 } smk_dtype;

// Columns in one panel of a packed right factor.
#define SMK_PANEL_COLUMNS 16

// One variant: the loops compiled for one instruction set.
typedef struct smk_kernels smk_kernels;

typedef enum {
  SMK_AVAILABLE,
  SMK_UNKNOWN_NAME,  // no variant of any build has this name
  SMK_CANNOT_RUN,    // not compiled for this architecture, or the CPU lacks an instruction set
} smk_availability;

// The variants that this CPU can run, fastest first: `index` 0 is the default. NULL at the end of the list.
const smk_kernels *smk_kernels_at(size_t index);

// The variant called `name` ("portable", "avx2", "avx512", "neon"), or NULL; `availability` (may be NULL) says why.
const smk_kernels *smk_kernels_named(const char *name, smk_availability *availability);

const char *smk_kernels_name(const smk_kernels *kernels);

// Rows that smk_add_low_rank computes at once; a multiple of it wastes nothing.
size_t smk_kernels_row_block(const smk_kernels *kernels);

// destination[i] = source[i], exactly. A signalling f16 NaN becomes quiet; f32 and bf16 keep every bit.
void smk_widen(const smk_kernels *kernels, smk_dtype dtype, const void *source, size_t count, float *destination);

// Packs `panel_count` panels, from `first_panel` on, of the right factor R (rank x columns):
// packed[p][k][j] = R[k, (first_panel + p) * 16 + j], and 0 where the column does not exist.
// Element (k, n) of R is element k * row_stride + n * column_stride of `source`.
void smk_pack_right(const smk_kernels *kernels, smk_dtype dtype, const void *source, size_t row_stride,
                    size_t column_stride, size_t rank, size_t columns, size_t first_panel, size_t panel_count,
                    float *packed);

// packed[m][k] = L[m, k], the left factor L (rows x rank) being laid out as in smk_pack_right.
void smk_pack_left(const smk_kernels *kernels, smk_dtype dtype, const void *source, size_t row_stride,
                   size_t column_stride, size_t rows, size_t rank, float *packed);

// delta[m * delta_stride + n] += scale * sum over k of left[m * rank + k] * R[k, n]
// for m < rows, n < columns. The sum starts at +0 and is a chain of fused multiply-adds in the order of k; the
// multiplication by `scale` and the addition to delta round once each. A NaN in delta has no particular payload.
void smk_add_low_rank(const smk_kernels *kernels, float *delta, size_t delta_stride, const float *left,
                      const float *packed_right, size_t rows, size_t columns, size_t rank, float scale);

// delta[i] += scale * values[i]; multiplication and addition round once each.
void smk_add_scaled(const smk_kernels *kernels, float *delta, const float *values, size_t count, float scale);

// destination[i] = round to nearest even(widen(weight[i]) + delta[i]), the sum in fp32.
//
// A weight that is a NaN stays that NaN, made quiet, with as much of its payload as the output dtype holds; any other
// NaN is written as the positive quiet NaN without payload.
//
// Returns how many weights are finite but have an output that is not.
uint64_t smk_combine(const smk_kernels *kernels, smk_dtype weight_dtype, const void *weight, const float *delta,
                     smk_dtype out_dtype, void *destination, size_t count);

#ifdef __cplusplus
}
#endif

#endif
