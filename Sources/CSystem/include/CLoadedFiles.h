/// The files whose code the process has loaded.
#ifndef CLOADEDFILES_H
#define CLOADEDFILES_H

/// Calls `body(path, context)` for each.
void clf_each(void (*body)(const char *path, void *context), void *context);

/// The file of a routine; null where the system does not say.
const char *clf_file_of(const void *routine);

#endif
