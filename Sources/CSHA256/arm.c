// SHA-256 by the cryptographic extension of ARMv8 (Arm ARM: SHA256H, SHA256H2, SHA256SU0, SHA256SU1).
#include "blocks.h"

#if defined(__aarch64__)

#include <arm_neon.h>

__attribute__((target("+sha2"))) void csha_blocks_arm(uint32_t hash[8], const uint8_t *bytes, size_t block_count) {
  uint32x4_t abcd = vld1q_u32(hash), efgh = vld1q_u32(hash + 4);
  for (; block_count > 0; block_count--, bytes += 64) {
    const uint32x4_t abcd_before = abcd, efgh_before = efgh;
    uint32x4_t words[4];
#pragma clang loop unroll(full)
    for (int group = 0; group < 16; group++) {
      uint32x4_t word;
      if (group < 4) {
        word = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(bytes + 16 * group)));
      } else {
        word = vsha256su0q_u32(words[group & 3], words[(group + 1) & 3]);
        word = vsha256su1q_u32(word, words[(group + 2) & 3], words[(group + 3) & 3]);
      }
      words[group & 3] = word;
      const uint32x4_t sums = vaddq_u32(word, vld1q_u32(csha_constants + 4 * group));
      const uint32x4_t abcd_now = abcd;
      abcd = vsha256hq_u32(abcd_now, efgh, sums);
      efgh = vsha256h2q_u32(efgh, abcd_now, sums);
    }
    abcd = vaddq_u32(abcd, abcd_before);
    efgh = vaddq_u32(efgh, efgh_before);
  }
  vst1q_u32(hash, abcd);
  vst1q_u32(hash + 4, efgh);
}

#endif
