// Codes of half a byte to bytes.
#include "CTileKernels.h"

#include <string.h>

// As the formats have it: the lowest byte first.
static inline uint32_t load_word(const uint8_t *bytes) {
  uint32_t word;
  memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap32(word);
#endif
  return word;
}

void smk_unpack_nibbles(const uint8_t *source, size_t first, size_t count, int is_high_first, uint8_t *codes) {
  const unsigned even_shift = is_high_first ? 4 : 0;
  size_t i = 0;
  if (first % 2 != 0 && count > 0) {
    codes[0] = source[first / 2] >> (4 - even_shift) & 15;
    i = 1;
  }
  const uint8_t *bytes = source + (first + i) / 2;
  for (; i + 2 <= count; i += 2, bytes++) {
    codes[i] = *bytes >> even_shift & 15;
    codes[i + 1] = *bytes >> (4 - even_shift) & 15;
  }
  if (i < count) codes[i] = *bytes >> even_shift & 15;
}

void smk_unpack_along_columns(const uint8_t *words, size_t word_columns, size_t first_row, size_t row_count,
                              size_t columns, uint8_t *codes) {
  for (size_t row = 0; row < row_count; row++) {
    const uint8_t *column = words + 4 * (first_row + row);
    uint8_t *target = codes + row * columns;
    for (size_t k = 0; k < columns / 8; k++) {
      uint32_t word = load_word(column + 4 * k * word_columns);
      for (unsigned j = 0; j < 8; j++) target[8 * k + j] = word >> (4 * j) & 15;
    }
  }
}

void smk_unpack_along_rows(const uint8_t *words, size_t word_columns, size_t first_row, size_t row_count,
                           size_t columns, uint8_t *codes) {
  static const unsigned places[8] = {0, 4, 1, 5, 2, 6, 3, 7};
  for (size_t row = 0; row < row_count; row++) {
    const size_t place = first_row + row;
    const uint8_t *column = words + 4 * (place / 8);
    const unsigned shift = 4 * places[place % 8];
    uint8_t *target = codes + row * columns;
    for (size_t k = 0; k < columns; k++) target[k] = load_word(column + 4 * k * word_columns) >> shift & 15;
  }
}
