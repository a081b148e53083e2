// The compression of whole blocks, one body for each instruction set.
#ifndef CSHA_BLOCKS_H
#define CSHA_BLOCKS_H

#include "CSHA256.h"

// FIPS 180-4, section 4.2.2.
extern const uint32_t csha_constants[64];

void csha_blocks_portable(uint32_t hash[8], const uint8_t *bytes, size_t block_count);

#if defined(__x86_64__)
void csha_blocks_x86(uint32_t hash[8], const uint8_t *bytes, size_t block_count);
#elif defined(__aarch64__)
void csha_blocks_arm(uint32_t hash[8], const uint8_t *bytes, size_t block_count);
#endif

#endif
