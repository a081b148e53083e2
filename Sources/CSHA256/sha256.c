#include <string.h>

#include "blocks.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

const uint32_t csha_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

int csha_can_run(csha_variant variant) {
  if (variant == CSHA_PORTABLE) return 1;
#if defined(__x86_64__)
  // CPUID, leaf 7: EBX bit 29 is SHA; leaf 1: ECX bit 9 is SSSE3, bit 19 SSE4.1.
  unsigned a, b, c, d;
  if (variant != CSHA_X86_SHA || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b >> 29 & 1)) return 0;
  return __get_cpuid(1, &a, &b, &c, &d) && (c >> 9 & 1) && (c >> 19 & 1);
#elif defined(__aarch64__) && defined(__linux__)
  // HWCAP_SHA2 of the kernel's asm/hwcap.h.
  return variant == CSHA_ARM_SHA2 && (getauxval(AT_HWCAP) >> 6 & 1);
#elif defined(__aarch64__) && defined(__APPLE__)
  // Every Apple processor with this instruction set has the SHA-2 extension.
  return variant == CSHA_ARM_SHA2;
#else
  return 0;
#endif
}

csha_variant csha_best_variant(void) {
  if (csha_can_run(CSHA_X86_SHA)) return CSHA_X86_SHA;
  if (csha_can_run(CSHA_ARM_SHA2)) return CSHA_ARM_SHA2;
  return CSHA_PORTABLE;
}

csha_state csha_start(csha_variant variant) {
  return (csha_state){
      .hash = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
      .variant = variant,
  };
}

static void add_blocks(csha_state *state, const uint8_t *bytes, size_t block_count) {
  switch (state->variant) {
#if defined(__x86_64__)
    case CSHA_X86_SHA: csha_blocks_x86(state->hash, bytes, block_count); return;
#elif defined(__aarch64__)
    case CSHA_ARM_SHA2: csha_blocks_arm(state->hash, bytes, block_count); return;
#endif
    default: csha_blocks_portable(state->hash, bytes, block_count);
  }
}

void csha_add(csha_state *state, const void *bytes, size_t count) {
  if (count == 0) return;
  const uint8_t *next = bytes;
  size_t filled = state->byte_count % 64;
  state->byte_count += count;
  if (filled > 0) {
    size_t taken = count < 64 - filled ? count : 64 - filled;
    memcpy(state->block + filled, next, taken);
    next += taken, count -= taken;
    if (filled + taken < 64) return;
    add_blocks(state, state->block, 1);
  }
  if (count >= 64) add_blocks(state, next, count / 64);
  if (count % 64 > 0) memcpy(state->block, next + (count - count % 64), count % 64);
}

void csha_finish(csha_state state, uint8_t *digest) {
  // A one bit, zeros, and the number of bits in 8 bytes fill the last block, or the last two.
  static const uint8_t padding[64] = {0x80};
  const uint64_t bit_count = state.byte_count * 8;
  csha_add(&state, padding, 1 + (119 - state.byte_count % 64) % 64);
  uint8_t length[8];
  for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bit_count >> (56 - 8 * i));
  csha_add(&state, length, 8);
  for (int i = 0; i < 32; i++) digest[i] = (uint8_t)(state.hash[i / 4] >> (24 - 8 * (i % 4)));
}
