#if defined(__linux__)
#define _GNU_SOURCE
#endif

#include "CLoadedFiles.h"

#include <dlfcn.h>
#include <stddef.h>

#if defined(__linux__)

#include <link.h>

struct call {
  void (*body)(const char *path, void *context);
  void *context;
};

static int visit(struct dl_phdr_info *info, size_t size, void *argument) {
  (void)size;
  const struct call *call = argument;
  if (info->dlpi_name && info->dlpi_name[0]) call->body(info->dlpi_name, call->context);
  return 0;
}

void clf_each(void (*body)(const char *path, void *context), void *context) {
  struct call call = {.body = body, .context = context};
  dl_iterate_phdr(visit, &call);
}

#else

#include <mach-o/dyld.h>

void clf_each(void (*body)(const char *path, void *context), void *context) {
  for (unsigned i = 0; i < _dyld_image_count(); i++) {
    const char *name = _dyld_get_image_name(i);
    if (name) body(name, context);
  }
}

#endif

const char *clf_file_of(const void *routine) {
  Dl_info info;
  return dladdr(routine, &info) ? info.dli_fname : NULL;
}
