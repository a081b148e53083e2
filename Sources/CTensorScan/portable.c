// Whatever the compiler makes of the loops for the architecture's baseline: SSE2, NEON.
#include "variants.h"
#define SCAN cts_scan_portable
#include "scan_body.h"

void cts_count_bytes(const void *bytes, size_t count, uint64_t *counters) {
  // Four tables, so that equal neighbors do not wait for each other.
  uint64_t tables[4][256] = {{0}};
  const uint8_t *next = bytes;
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    for (int table = 0; table < 4; table++) tables[table][next[i + (size_t)table]]++;
  }
  for (; i < count; i++) tables[0][next[i]]++;
  for (int value = 0; value < 256; value++) {
    for (int table = 0; table < 4; table++) counters[value] += tables[table][value];
  }
}
