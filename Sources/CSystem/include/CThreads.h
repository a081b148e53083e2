/// Work on several threads that continues where the system refuses to create any.
#ifndef CTHREADS_H
#define CTHREADS_H

#include <stddef.h>

/// Calls `body(context)` on up to `count` threads at once, of which the caller's is one, and returns when all calls have.
///
/// A thread that the system refuses (a limit of processes, no memory) is done without: the caller's thread always takes part.
/// Returns how many threads there were, at least 1.
int cth_run(int count, size_t stack_byte_count, void (*body)(void *context), void *context);

#endif
