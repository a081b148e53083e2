// Prints a digest of what every kernel computes of the same inputs, for each variant that this machine runs:
//
//   VARIANT OPERATION SHA-256
//
// The digests of one operation must be the same for all variants and on all processors. Inputs are random bits, so that
// NaNs, infinities and subnormal numbers are among them, and random numbers of ordinary size. Where a kernel promises no
// payload of a NaN, all NaNs are made the same before they are hashed.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CSHA256.h"
#include "CTensorScan.h"
#include "CTileKernels.h"

enum { ROWS = 13, COLUMNS = 157, COUNT = ROWS * COLUMNS, RANK = 9, SPARE = 64 };

static uint64_t generator;

// SplitMix64 (Steele, Lea, Flood 2014).
static uint64_t next(void) {
  uint64_t word = generator += 0x9e3779b97f4a7c15u;
  word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9u;
  word = (word ^ word >> 27) * 0x94d049bb133111ebu;
  return word ^ word >> 31;
}

static void fill_bits(void *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) ((uint8_t *)bytes)[i] = (uint8_t)next();
}

// Between -2 and 2, with 24 significant bits.
static void fill_numbers(float *values, size_t count) {
  for (size_t i = 0; i < count; i++) values[i] = (float)((int32_t)(next() >> 40) - (1 << 23)) * 0x1p-22f;
}

static csha_state hash;

static void add(const void *bytes, size_t count) { csha_add(&hash, bytes, count); }

static void add_floats(const float *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    float value = isnan(values[i]) ? NAN : values[i];
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if (isnan(value)) bits = 0x7fc00000;
    add(&bits, 4);
  }
}

static void add_number(double value) {
  uint64_t bits;
  memcpy(&bits, &value, 8);
  if (isnan(value)) bits = 0x7ff8000000000000u;
  add(&bits, 8);
}

static void start(uint64_t seed) {
  generator = seed;
  hash = csha_start(CSHA_PORTABLE);
}

static void print(const char *variant, const char *operation) {
  uint8_t digest[32];
  csha_finish(hash, digest);
  printf("%s %s ", variant, operation);
  for (int i = 0; i < 32; i++) printf("%02x", digest[i]);
  putchar('\n');
}

static float values[COUNT + SPARE], other[COUNT + SPARE], out[COUNT + SPARE], scratch[SMK_ROW_STEP * 1024];
static uint8_t weight[4 * COUNT + SPARE], result[4 * COUNT + SPARE], codes[COUNT + SPARE], more_codes[COUNT + SPARE];
static double sums[COLUMNS];

// Random bits or random numbers as tensor bytes of a dtype.
static void fill_weight(const smk_kernels *kernels, smk_dtype dtype, int bits) {
  if (bits) {
    fill_bits(weight, sizeof weight);
  } else {
    fill_numbers(values, COUNT);
    memset(weight, 0, sizeof weight);
    memset(out, 0, sizeof out);
    for (size_t i = 0; i < COUNT; i++) out[i] = -0.0f;
    uint8_t *numbers = malloc(sizeof values);
    memcpy(numbers, values, sizeof values);
    smk_combine(kernels, SMK_F32, numbers, out, dtype, weight, COUNT);
    free(numbers);
  }
}

static void products(const smk_kernels *kernels, const char *name) {
  static const size_t ranks[] = {1, 2, 4, 8, RANK, 33, 64, 130};
  start(1);
  for (size_t r = 0; r < sizeof ranks / sizeof *ranks; r++) {
    size_t rank = ranks[r], panels = (COLUMNS + SMK_PANEL_COLUMNS - 1) / SMK_PANEL_COLUMNS;
    float *left = malloc(4 * ROWS * rank), *right = malloc(4 * rank * COLUMNS), *packed = malloc(4 * panels * rank * 16);
    fill_numbers(left, ROWS * rank), fill_numbers(right, rank * COLUMNS), fill_numbers(out, COUNT);
    smk_pack_right(kernels, SMK_F32, right, COLUMNS, 1, rank, COLUMNS, 0, panels, packed);
    add_floats(packed, panels * rank * 16);
    smk_pack_left(kernels, SMK_F32, left, rank, 1, ROWS, rank, scratch);
    add_floats(scratch, ROWS * rank);
    smk_add_low_rank(kernels, out, COLUMNS, left, packed, ROWS, COLUMNS, rank, 0.37f, scratch);
    add_floats(out, COUNT);
    const smk_low_rank product = {left, packed, rank}, other = {left, packed, rank / 2 + 1};
    smk_set_low_rank(kernels, out, &product, ROWS, COLUMNS, 0.37f, scratch);
    add_floats(out, COUNT);
    for (smk_dtype from = SMK_F32; from <= SMK_BF16; from++) {
      for (smk_dtype to = SMK_F32; to <= SMK_BF16; to++) {
        fill_weight(kernels, from, from == to);
        uint64_t overflows = smk_merge_low_rank(kernels, from, weight, left, packed, to, result, ROWS, COLUMNS, rank, 0.37f, scratch);
        add(&overflows, 8), add(result, COUNT * (to == SMK_F32 ? 4 : 2));
        const smk_multiplier multipliers[] = {{right, NULL, 0}, {NULL, &other, 0}, {NULL, NULL, 1}};
        for (int i = 0; i < 3; i++) {
          overflows = smk_merge_multiplied(kernels, from, weight, &product, multipliers + i, to, result, ROWS, COLUMNS, 0.37f, scratch);
          add(&overflows, 8), add(result, COUNT * (to == SMK_F32 ? 4 : 2));
        }
      }
    }
    free(left), free(right), free(packed);
  }
  print(name, "products");
}

static void elements(const smk_kernels *kernels, const char *name) {
  start(2);
  for (int bits = 0; bits < 2; bits++) {
    for (smk_dtype from = SMK_F32; from <= SMK_BF16; from++) {
      fill_weight(kernels, from, bits);
      smk_widen(kernels, from, weight + 1, COUNT - 1, out), add_floats(out, COUNT - 1);
      fill_numbers(other, COUNT);
      smk_sum(kernels, from, weight, other, out, COUNT), add_floats(out, COUNT);
      for (smk_dtype to = SMK_F32; to <= SMK_BF16; to++) {
        size_t size = to == SMK_F32 ? 4 : 2;
        uint64_t count = smk_combine(kernels, from, weight, other, to, result, COUNT);
        add(&count, 8), add(result, COUNT * size);
        count = smk_rescale_by_one(kernels, from, weight, out, other, to, result, COUNT), add(&count, 8), add(result, COUNT * size);
        count = smk_rescale_by_each(kernels, from, weight, out, other, to, result, COUNT), add(&count, 8), add(result, COUNT * size);
        for (int deltas = 0; deltas < 2 && to != SMK_F32; deltas++) {
          count = smk_round_stochastically(kernels, from, weight, other, deltas, to, result, COUNT, 7, 11, 13);
          add(&count, 8), add(result, COUNT * size);
        }
        for (int deltas = 0; deltas < 2; deltas++) {
          smk_row_statistics found = smk_statistics_of_row(kernels, from, weight, to, result, other, deltas, COUNT);
          add(&found.changed_count, 8), add_number(found.intended_squares), add_number(found.lost_squares), add_number(found.base_squares);
        }
      }
    }
    fill_bits(values, sizeof values);
    if (!bits) fill_numbers(values, COUNT);
    memcpy(out, values, sizeof out), smk_scale(kernels, out, COUNT, 1.7f), add_floats(out, COUNT);
    memcpy(out, values, sizeof out), smk_add_plain(kernels, out, other, COUNT), add_floats(out, COUNT);
    memcpy(out, values, sizeof out), smk_add_scaled(kernels, out, other, COUNT, -0.3f), add_floats(out, COUNT);
    smk_fill_blocks(kernels, out, COUNT, other, values, 37, 0.7f), add_floats(out, COUNT);
    smk_fill_blocks(kernels, out, COUNT, NULL, values, 37, 0.7f), add_floats(out, COUNT);
    smk_divide(kernels, other, values, out, COUNT), add_floats(out, COUNT);
    for (smk_dtype to = SMK_F32; to <= SMK_BF16; to++) {
      memcpy(out, values, sizeof out), smk_round_delta(kernels, to, out, COUNT), add_floats(out, COUNT);
    }
  }
  print(name, "elements");
}

static void norms(const smk_kernels *kernels, const char *name) {
  start(3);
  fill_numbers(values, COUNT);
  for (size_t columns = 1; columns <= COLUMNS; columns += 3) {
    smk_row_norms(kernels, values, ROWS, columns, out), add_floats(out, ROWS);
    smk_torch_row_norms(kernels, values, ROWS, columns, out), add_floats(out, ROWS);
    memset(sums, 0, sizeof sums), memset(other, 0, sizeof other);
    smk_add_column_squares(kernels, values, COLUMNS, ROWS, columns, sums);
    smk_torch_add_column_squares(kernels, values, COLUMNS, ROWS, columns, other), add_floats(other, columns);
    smk_roots(kernels, sums, columns, out), add_floats(out, columns);
    smk_torch_roots(kernels, other, columns, out), add_floats(out, columns);
  }
  print(name, "norms");
}

static void random_words(const smk_kernels *kernels, const char *name) {
  static uint32_t words[COUNT];
  start(4);
  for (uint64_t first = 0; first < 9; first++) {
    smk_random_words(kernels, 0x123456789abcdefu + first, first << 40, first, COUNT, words), add(words, sizeof words);
  }
  print(name, "random_words");
}

static void decoding(const smk_kernels *kernels, const char *name) {
  start(5);
  float table[256], scales[COUNT], zeros[COUNT];
  fill_numbers(table, 256), fill_numbers(scales, COUNT), fill_numbers(zeros, COUNT), fill_bits(codes, sizeof codes);
  for (smk_dtype to = SMK_F32; to <= SMK_BF16; to++) {
    size_t size = to == SMK_F32 ? 4 : 2;
    for (int with_zeros = 0; with_zeros < 2; with_zeros++) {
      smk_code_grid grid = {ROWS, COLUMNS, 1, 4, 32, scales, (COLUMNS + 31) / 32, with_zeros ? zeros : NULL, NULL, 0.7f};
      smk_decode_codes(kernels, table, codes, &grid, to, result), add(result, COUNT * size);
    }
    for (size_t first = 0; first < 3; first++) {
      for (int high = 0; high < 2; high++) {
        smk_decode_nibbles(kernels, table, codes, first, COUNT - 8, 64, high, scales, to, result), add(result, (COUNT - 8) * size);
      }
    }
    smk_transposed_codes matrix = {codes, 32, codes + COUNT / 2, 2, 32, 3, 60, 31};
    smk_decode_transposed(kernels, table, table, &matrix, to, result), add(result, 60 * 31 * size);
  }
  print(name, "decoding");
}

static void encoding(const smk_kernels *kernels, const char *name) {
  start(6);
  float bounds[15], numbers[16], magnitudes[COUNT / 64 + 2], block_scales[COUNT / 64 + 2];
  for (int bits = 0; bits < 2; bits++) {
    fill_bits(values, sizeof values);
    if (!bits) fill_numbers(values, COUNT);
    fill_numbers(other, COUNT);
    float largest = smk_largest_finite(kernels, values, COLUMNS, ROWS, COLUMNS - 5);
    add_floats(&largest, 1);
    for (int divides = 0; divides < 2; divides++) {
      memset(codes, 0, sizeof codes);
      smk_encode_e4m3(kernels, values, COLUMNS, ROWS, COLUMNS - 5, 0.013f, divides, codes), add(codes, COUNT);
      fill_bits(more_codes, sizeof more_codes);
      for (int deltas = 0; deltas < 2; deltas++) {
        smk_code_changes changes = smk_compare_codes(kernels, values, other, deltas, more_codes, codes, 0.013f, COLUMNS, ROWS, COLUMNS - 5);
        add(&changes.changed, 8), add(&changes.half_steps, 8);
      }
    }
    size_t blocks = (COUNT + 63) / 64;
    smk_block_magnitudes(kernels, values, COUNT, 64, magnitudes), add_floats(magnitudes, blocks);
    for (int i = 0; i < 15; i++) bounds[i] = -1 + (float)(i + 1) / 8;
    for (int i = 0; i < 16; i++) numbers[i] = -1 + (float)i / 7.5f;
    memcpy(block_scales, magnitudes, sizeof magnitudes), memcpy(out, values, sizeof out);
    smk_through_nf4(kernels, out, COUNT, 64, bounds, numbers, magnitudes, block_scales, codes);
    add_floats(out, COUNT), add(codes, COUNT);
  }
  print(name, "encoding");
}

static void scan(cts_variant variant, const char *name) {
  start(7);
  static uint8_t bytes[8 * 1001];
  for (cts_dtype dtype = CTS_F16; dtype <= CTS_U64; dtype++) {
    for (size_t count = 0; count <= 1000; count += 37) {
      fill_bits(bytes, sizeof bytes);
      cts_figures found = cts_scan_by(variant, dtype, bytes + 1, count);
      add_number(found.sum), add_number(found.sum_squares), add_number(found.minimum), add_number(found.maximum);
      add(&found.zeros, 8), add(&found.nans, 8), add(&found.infinities, 8);
    }
  }
  print(name, "scan");
}

static void checksum(csha_variant variant, const char *name) {
  start(8);
  static uint8_t message[1000];
  fill_bits(message, sizeof message);
  for (size_t count = 0; count <= sizeof message; count++) {
    uint8_t digest[32];
    csha_state state = csha_start(variant);
    csha_add(&state, message, count / 3), csha_add(&state, message + count / 3, count - count / 3);
    csha_finish(state, digest), add(digest, 32);
  }
  print(name, "sha256");
}

int main(void) {
  const smk_kernels *kernels;
  for (size_t index = 0; (kernels = smk_kernels_at(index)) != NULL; index++) {
    const char *name = smk_kernels_name(kernels);
    products(kernels, name), elements(kernels, name), norms(kernels, name), random_words(kernels, name);
    decoding(kernels, name), encoding(kernels, name);
  }
  static const char *const scans[] = {"scan-portable", "scan-avx2", "scan-avx512"};
  for (cts_variant variant = CTS_PORTABLE; variant <= cts_best_variant(); variant++) scan(variant, scans[variant]);
  static const char *const checksums[] = {"sha-portable", "sha-x86", "sha-armv8"};
  for (csha_variant variant = CSHA_PORTABLE; variant <= CSHA_ARM_SHA2; variant++) {
    if (csha_can_run(variant)) checksum(variant, checksums[variant]);
  }
  return 0;
}
