// SHA-256 by the SHA extensions of x86 (Intel SDM, volume 2: SHA256RNDS2, SHA256MSG1, SHA256MSG2).
#include "blocks.h"

#if defined(__x86_64__)

#include <immintrin.h>

// The instructions keep the hash as two vectors, whose words are a b e f and c d g h, the first word in the highest lane.
// Two rounds make a new `abef`, and what was `abef` is the new `cdgh`.
__attribute__((target("sha,sse4.1,ssse3"))) void csha_blocks_x86(
    uint32_t hash[8], const uint8_t *bytes, size_t block_count) {
  const __m128i big_endian = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  __m128i abef = _mm_set_epi32((int)hash[0], (int)hash[1], (int)hash[4], (int)hash[5]);
  __m128i cdgh = _mm_set_epi32((int)hash[2], (int)hash[3], (int)hash[6], (int)hash[7]);
  for (; block_count > 0; block_count--, bytes += 64) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i words[4];
#pragma clang loop unroll(full)
    for (int group = 0; group < 16; group++) {
      __m128i word;
      if (group < 4) {
        word = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)bytes + group), big_endian);
      } else {
        const __m128i last = words[(group + 3) & 3];
        word = _mm_sha256msg1_epu32(words[group & 3], words[(group + 1) & 3]);
        word = _mm_add_epi32(word, _mm_alignr_epi8(last, words[(group + 2) & 3], 4));
        word = _mm_sha256msg2_epu32(word, last);
      }
      words[group & 3] = word;
      const __m128i sums = _mm_add_epi32(word, _mm_loadu_si128((const __m128i *)csha_constants + group));
      // After the first two rounds the names have changed their meaning; after the next two they mean the same again.
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sums);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sums, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  hash[0] = (uint32_t)_mm_extract_epi32(abef, 3);
  hash[1] = (uint32_t)_mm_extract_epi32(abef, 2);
  hash[2] = (uint32_t)_mm_extract_epi32(cdgh, 3);
  hash[3] = (uint32_t)_mm_extract_epi32(cdgh, 2);
  hash[4] = (uint32_t)_mm_extract_epi32(abef, 1);
  hash[5] = (uint32_t)_mm_extract_epi32(abef, 0);
  hash[6] = (uint32_t)_mm_extract_epi32(cdgh, 1);
  hash[7] = (uint32_t)_mm_extract_epi32(cdgh, 0);
}

#endif
