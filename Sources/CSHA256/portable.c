#include "blocks.h"

static uint32_t rotate(uint32_t word, int count) { return word >> count | word << (32 - count); }

static uint32_t load(const uint8_t *bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

// FIPS 180-4, section 6.2.2. The message schedule is kept as the last 16 words.
void csha_blocks_portable(uint32_t hash[8], const uint8_t *bytes, size_t block_count) {
  for (; block_count > 0; block_count--, bytes += 64) {
    uint32_t words[16];
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3];
    uint32_t e = hash[4], f = hash[5], g = hash[6], h = hash[7];
    for (int t = 0; t < 64; t++) {
      uint32_t word;
      if (t < 16) {
        word = load(bytes + 4 * t);
      } else {
        uint32_t two = words[(t - 2) & 15], fifteen = words[(t - 15) & 15];
        uint32_t sigma1 = rotate(two, 17) ^ rotate(two, 19) ^ two >> 10;
        uint32_t sigma0 = rotate(fifteen, 7) ^ rotate(fifteen, 18) ^ fifteen >> 3;
        word = sigma1 + words[(t - 7) & 15] + sigma0 + words[t & 15];
      }
      words[t & 15] = word;
      uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
      uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
      uint32_t first = h + sum1 + ((e & f) ^ (~e & g)) + csha_constants[t] + word;
      uint32_t second = sum0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + first;
      d = c, c = b, b = a, a = first + second;
    }
    hash[0] += a, hash[1] += b, hash[2] += c, hash[3] += d;
    hash[4] += e, hash[5] += f, hash[6] += g, hash[7] += h;
  }
}
