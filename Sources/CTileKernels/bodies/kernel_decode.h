// Weights that are kept as codes. Included by kernel_body.h.

// Products rounded to the output; every NaN is the positive quiet one without payload.
SMK_INLINE void store_products(const float *values, size_t count, float scale, float factor, const smk_dtype out,
                               char *destination) {
  const size_t size = smk_byte_count(out);
  const vector scales = vector_broadcast(scale), factors = vector_broadcast(factor);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    vector products[16 / VECTOR_WIDTH];
    magnitudes largest = magnitudes_zero();
    UNROLL
    for (size_t v = 0; v < 16 / VECTOR_WIDTH; v++) {
      products[v] = vector_multiply(vector_multiply(vector_load(values + i + v * VECTOR_WIDTH), scales), factors);
      largest = magnitudes_max(largest, products[v]);
    }
    if (__builtin_expect(magnitudes_reach(largest, smk_first_overflow(out)), 0)) {
      for (size_t j = i; j < i + 16; j++) {
        float scaled = values[j] * scale;
        smk_scalar_store(out, smk_settle_nan(0, smk_bits(scaled * factor)), destination + j * size);
      }
      continue;
    }
    UNROLL
    for (size_t v = 0; v < 16 / VECTOR_WIDTH; v++) store_as(out, products[v], destination + (i + v * VECTOR_WIDTH) * size);
  }
  for (; i < count; i++) {
    float scaled = values[i] * scale;
    smk_scalar_store(out, smk_settle_nan(0, smk_bits(scaled * factor)), destination + i * size);
  }
}

// ---- codes of a byte

#define CODES_AT_ONCE 128

// A row whose columns have blocks in any order.
SMK_INLINE void decode_scattered(const float *table, const uint8_t *codes, const smk_code_grid *grid, const float *scales,
                                 const float *zeros, const smk_dtype out, char *destination) {
  const size_t size = smk_byte_count(out);
  for (size_t column = 0; column < grid->columns; column += CODES_AT_ONCE) {
    float values[CODES_AT_ONCE];
    size_t count = smaller(grid->columns - column, CODES_AT_ONCE);
    for (size_t i = 0; i < count; i++) {
      uint32_t block = grid->blocks[column + i];
      float number = table[codes[column + i]];
      if (zeros) number -= zeros[block];
      values[i] = number * scales[block];
    }
    store_products(values, count, 1, grid->factor, out, destination + column * size);
  }
}

SMK_INLINE void decode_codes_to(const float *table, const uint8_t *codes, const smk_code_grid *grid, const smk_dtype out,
                                char *destination) {
  const size_t size = smk_byte_count(out);
  for (size_t row = 0; row < grid->rows; row++) {
    const size_t scale_row = (grid->first_row + row) / grid->block_rows * grid->scale_columns;
    const float *scales = grid->scales + scale_row;
    const float *zeros = grid->zeros ? grid->zeros + scale_row : NULL;
    if (grid->blocks) {
      decode_scattered(table, codes + row * grid->columns, grid, scales, zeros, out, destination + row * grid->columns * size);
      continue;
    }
    for (size_t block = 0; block * grid->block_columns < grid->columns; block++) {
      size_t column = block * grid->block_columns;
      size_t end = column + smaller(grid->block_columns, grid->columns - column);
      while (column < end) {
        float values[CODES_AT_ONCE];
        size_t count = smaller(end - column, CODES_AT_ONCE);
        const uint8_t *source = codes + row * grid->columns + column;
        // One by one: a gather takes longer on many processors.
#pragma clang loop vectorize(disable)
        for (size_t i = 0; i < count; i++) values[i] = table[source[i]];
        if (zeros) {
          for (size_t i = 0; i < count; i++) values[i] -= zeros[block];
        }
        store_products(values, count, scales[block], grid->factor, out, destination + (row * grid->columns + column) * size);
        column += count;
      }
    }
  }
}

static void decode_codes(const float *table, const uint8_t *codes, const smk_code_grid *grid, smk_dtype out,
                         void *destination) {
  switch (out) {
    case SMK_F32: decode_codes_to(table, codes, grid, SMK_F32, destination); break;
    case SMK_F16: decode_codes_to(table, codes, grid, SMK_F16, destination); break;
    case SMK_BF16: decode_codes_to(table, codes, grid, SMK_BF16, destination); break;
  }
}

// ---- codes of half a byte

#if HAS_LOOKUP

SMK_INLINE smk_bytes load_bytes(const uint8_t *source) {
  smk_bytes result;
  memcpy(&result, source, sizeof result);
  return result;
}

SMK_INLINE smk_bytes low_by_turns(smk_bytes a, smk_bytes b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

SMK_INLINE smk_bytes high_by_turns(smk_bytes a, smk_bytes b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

// GROUP values, each with a scale of its own.
SMK_INLINE void store_group(lookup numbers, const smk_bytes codes[2], const vector *scales, const smk_dtype out,
                            char *destination) {
  const size_t size = smk_byte_count(out);
  vector products[GROUP_VECTORS];
  magnitudes largest = magnitudes_zero();
  lookup_16(numbers, codes[0], products);
  lookup_16(numbers, codes[1], products + GROUP_VECTORS / 2);
  UNROLL
  for (size_t v = 0; v < GROUP_VECTORS; v++) {
    products[v] = vector_multiply(products[v], scales[v]);
    largest = magnitudes_max(largest, products[v]);
  }
  if (__builtin_expect(magnitudes_reach(largest, smk_first_overflow(out)), 0)) {
    float values[GROUP];
    for (size_t v = 0; v < GROUP_VECTORS; v++) vector_store(values + v * VECTOR_WIDTH, products[v]);
    for (size_t i = 0; i < GROUP; i++) {
      smk_scalar_store(out, smk_settle_nan(0, smk_bits(values[i])), destination + i * size);
    }
    return;
  }
  UNROLL
  for (size_t v = 0; v < GROUP_VECTORS; v += 2) {
    store_pair_as(out, products[v], products[v + 1], destination + v * VECTOR_WIDTH * size);
  }
}

// Groups from a whole byte on, as many as there are before `end`; returns where they end.
SMK_INLINE size_t decode_groups(lookup numbers, const uint8_t *source, size_t start, size_t end,
                                const int is_high_first, float scale, const smk_dtype out, char *destination) {
  const size_t size = smk_byte_count(out);
  vector scales[GROUP_VECTORS];
  UNROLL
  for (size_t v = 0; v < GROUP_VECTORS; v++) scales[v] = vector_broadcast(scale);
  for (; start + GROUP <= end; start += GROUP, source += GROUP / 2) {
    smk_bytes pairs = load_bytes(source);
    smk_bytes even = is_high_first ? pairs >> 4 : pairs & 15, odd = is_high_first ? pairs & 15 : pairs >> 4;
    const smk_bytes codes[2] = {low_by_turns(even, odd), high_by_turns(even, odd)};
    store_group(numbers, codes, scales, out, destination + start * size);
  }
  return start;
}

#endif

// Some codes of a block, which has 16 different values: they are rounded once each.
SMK_INLINE void decode_part(const float *table, const uint8_t *codes, size_t parity, size_t i, size_t end,
                            const int is_high_first, float scale, const smk_dtype out, char *destination) {
  const size_t size = smk_byte_count(out);
  const unsigned even_shift = is_high_first ? 4 : 0;
  uint32_t rounded[16];
  store_products(table, 16, scale, 1, out, (char *)rounded);
  // In whole bytes where they are, so that a byte is loaded once.
  for (; i < end && (i + parity) % 2 != 0; i++) {
    unsigned code = codes[(i + parity) / 2] >> (4 - even_shift) & 15;
    memcpy(destination + i * size, (char *)rounded + code * size, size);
  }
  for (; i + 2 <= end; i += 2) {
    unsigned pair = codes[(i + parity) / 2];
    memcpy(destination + i * size, (char *)rounded + (pair >> even_shift & 15) * size, size);
    memcpy(destination + (i + 1) * size, (char *)rounded + (pair >> (4 - even_shift) & 15) * size, size);
  }
  for (; i < end; i++) {
    unsigned code = codes[(i + parity) / 2] >> even_shift & 15;
    memcpy(destination + i * size, (char *)rounded + code * size, size);
  }
}

SMK_INLINE void decode_nibbles_to(const float *table, const uint8_t *codes, size_t first, size_t count, size_t block,
                                  const int is_high_first, const float *scales, const smk_dtype out,
                                  char *destination) {
  const size_t parity = first % 2;
  size_t i = 0;
  for (size_t number = first / block; i < count; number++) {
    const size_t end = smaller(count, (number + 1) * block - first);
#if HAS_LOOKUP
    const size_t start = i + (i + parity) % 2;
    if (start + GROUP <= end) {
      if (start > i) decode_part(table, codes, parity, i, start, is_high_first, scales[number], out, destination);
      i = decode_groups(lookup_of(table), codes + (start + parity) / 2, start, end, is_high_first, scales[number], out,
                        destination);
    }
#endif
    if (i < end) decode_part(table, codes, parity, i, end, is_high_first, scales[number], out, destination);
    i = end;
  }
}

static void decode_nibbles(const float *table, const uint8_t *codes, size_t first, size_t count, size_t block,
                           int is_high_first, const float *scales, smk_dtype out, void *destination) {
#define DECODE_NIBBLES(dtype)                                                                                   \
  if (is_high_first) decode_nibbles_to(table, codes, first, count, block, 1, scales, SMK_##dtype, destination); \
  else decode_nibbles_to(table, codes, first, count, block, 0, scales, SMK_##dtype, destination)
  switch (out) {
    case SMK_F32: DECODE_NIBBLES(F32); break;
    case SMK_F16: DECODE_NIBBLES(F16); break;
    case SMK_BF16: DECODE_NIBBLES(BF16); break;
  }
}

// ---- codes of half a byte in transposed matrices

#if HAS_LOOKUP

// Bytes of 16 columns, `stride` bytes apart: result i has byte i of each.
SMK_INLINE void load_transposed(const uint8_t *source, size_t stride, smk_bytes result[16]) {
  smk_bytes columns[16];
  UNROLL
  for (size_t i = 0; i < 16; i++) columns[i] = load_bytes(source + i * stride);
  // Each round turns the eight bits of a byte's place by one: after four, row and column are exchanged.
  UNROLL
  for (size_t round = 0; round < 2; round++) {
    UNROLL
    for (size_t i = 0; i < 8; i++) {
      result[2 * i] = low_by_turns(columns[i], columns[i + 8]);
      result[2 * i + 1] = high_by_turns(columns[i], columns[i + 8]);
    }
    UNROLL
    for (size_t i = 0; i < 8; i++) {
      columns[2 * i] = low_by_turns(result[i], result[i + 8]);
      columns[2 * i + 1] = high_by_turns(result[i], result[i + 8]);
    }
  }
  memcpy(result, columns, sizeof columns);
}

// GROUP columns of the rows before `end`, which lie in the same 16 bytes of a column.
SMK_INLINE void decode_square(lookup numbers, const float *scale_table, const smk_transposed_codes *m, size_t column,
                              size_t row, size_t end, const smk_dtype out, char *destination) {
  const size_t size = smk_byte_count(out);
  const uint8_t *codes = m->codes + column * m->code_stride + row / GROUP * (GROUP / 2);
  smk_bytes pairs[2][16];
  load_transposed(codes, m->code_stride, pairs[0]);
  load_transposed(codes + 16 * m->code_stride, m->code_stride, pairs[1]);
  float column_scales[GROUP];
  for (size_t c = 0; c < GROUP; c++) {
    column_scales[c] = scale_table[m->scales[(column + c) * m->scale_stride + row / m->block]];
  }
  vector scales[GROUP_VECTORS];
  UNROLL
  for (size_t v = 0; v < GROUP_VECTORS; v++) scales[v] = vector_load(column_scales + v * VECTOR_WIDTH);
  for (; row < end; row++) {
    smk_bytes low = pairs[0][row % GROUP / 2], high = pairs[1][row % GROUP / 2];
    const smk_bytes codes[2] = {row % 2 ? low >> 4 : low & 15, row % 2 ? high >> 4 : high & 15};
    store_group(numbers, codes, scales, out, destination + ((row - m->first_row) * m->columns + column) * size);
  }
}

#endif

#define TRANSPOSED_AT_ONCE 32

SMK_INLINE void decode_transposed_to(const float *table, const float *scale_table, const smk_transposed_codes *m,
                                     const smk_dtype out, char *destination) {
  const size_t size = smk_byte_count(out);
  const size_t last = m->first_row + m->rows;
  size_t column = 0;
#if HAS_LOOKUP
  if (m->block % GROUP == 0) {
    for (; column + GROUP <= m->columns; column += GROUP) {
      for (size_t row = m->first_row; row < last;) {
        const size_t end = smaller(last, (row / GROUP + 1) * GROUP);
        decode_square(lookup_of(table), scale_table, m, column, row, end, out, destination);
        row = end;
      }
    }
  }
#endif
  for (; column < m->columns; column += TRANSPOSED_AT_ONCE) {
    const size_t width = smaller(TRANSPOSED_AT_ONCE, m->columns - column);
    for (size_t row = m->first_row; row < last;) {
      const size_t end = smaller(last, (row / m->block + 1) * m->block);
      uint32_t rounded[TRANSPOSED_AT_ONCE][16];
      for (size_t c = 0; c < width; c++) {
        float scale = scale_table[m->scales[(column + c) * m->scale_stride + row / m->block]];
        store_products(table, 16, scale, 1, out, (char *)rounded[c]);
      }
      for (; row < end; row++) {
        const uint8_t *codes = m->codes + column * m->code_stride + row / 2;
        const unsigned shift = row % 2 * 4;
        char *target = destination + ((row - m->first_row) * m->columns + column) * size;
        for (size_t c = 0; c < width; c++) {
          unsigned code = codes[c * m->code_stride] >> shift & 15;
          memcpy(target + c * size, (char *)rounded[c] + code * size, size);
        }
      }
    }
  }
}

static void decode_transposed(const float *table, const float *scale_table, const smk_transposed_codes *matrix,
                              smk_dtype out, void *destination) {
  switch (out) {
    case SMK_F32: decode_transposed_to(table, scale_table, matrix, SMK_F32, destination); break;
    case SMK_F16: decode_transposed_to(table, scale_table, matrix, SMK_F16, destination); break;
    case SMK_BF16: decode_transposed_to(table, scale_table, matrix, SMK_BF16, destination); break;
  }
}
