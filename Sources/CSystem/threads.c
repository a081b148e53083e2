#include "CThreads.h"

#include <pthread.h>
#include <stdlib.h>

struct call {
  void (*body)(void *context);
  void *context;
};

static void *start(void *argument) {
  const struct call *call = argument;
  call->body(call->context);
  return NULL;
}

int cth_run(int count, size_t stack_byte_count, void (*body)(void *context), void *context) {
  struct call call = {.body = body, .context = context};
  int made = 0;
  pthread_t *threads = count > 1 ? malloc((size_t)(count - 1) * sizeof *threads) : NULL;
  pthread_attr_t attributes;
  if (threads && pthread_attr_init(&attributes) == 0) {
    // musl's default of 128 KiB is too small; a size that the system does not take leaves its own.
    (void)pthread_attr_setstacksize(&attributes, stack_byte_count);
    while (made < count - 1 && pthread_create(&threads[made], &attributes, start, &call) == 0) made++;
    pthread_attr_destroy(&attributes);
  }
  body(context);
  for (int i = 0; i < made; i++) pthread_join(threads[i], NULL);
  free(threads);
  return made + 1;
}
