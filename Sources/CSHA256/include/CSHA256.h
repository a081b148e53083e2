// SHA-256 of bytes that come one piece after another.
//
// Source: FIPS 180-4, sections 4.1.2, 4.2.2, 5.1.1, 5.3.3 and 6.2. Every variant gives the same digests.
#ifndef C_SHA256_H
#define C_SHA256_H

#include <stddef.h>
#include <stdint.h>

// The instruction sets that there are bodies for.
typedef enum {
  CSHA_PORTABLE,
  CSHA_X86_SHA,
  CSHA_ARM_SHA2,
} csha_variant;

// Whether the processor runs a variant.
int csha_can_run(csha_variant variant);

// The fastest variant that the processor runs.
csha_variant csha_best_variant(void);

typedef struct {
  uint32_t hash[8];
  uint64_t byte_count;  // of all bytes added so far
  uint8_t block[64];    // the bytes behind the last whole block
  csha_variant variant;
} csha_state;

// An empty message, to be hashed by a variant that the processor runs.
csha_state csha_start(csha_variant variant);

// Adds `count` bytes. A message of 2^61 bytes or more is outside of the standard.
void csha_add(csha_state *state, const void *bytes, size_t count);

// Writes the 32 bytes of the digest. Takes a copy of the state, so that more bytes can be added afterwards.
void csha_finish(csha_state state, uint8_t *digest);

#endif
