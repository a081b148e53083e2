// How many fused multiply-adds one core can do in a second: what kernels are compared with.
#ifndef CBENCHMARK_H
#define CBENCHMARK_H

#include <stddef.h>

// Floating-point operations of one step with an instruction set by its name in CTileKernels (a fused multiply-add is
// two); 0 if there is no loop for it here.
size_t cbm_fma_step_operations(const char *set);

// Does `steps` steps on registers alone, enough independent chains that none waits for another. The CPU must have the
// instruction set. The value depends on all of them, so that none can be left out.
float cbm_fma_steps(const char *set, size_t steps);

#endif
