#ifndef CJANSSON_SHIM_H
#define CJANSSON_SHIM_H

/* jansson's API with its function-like macros as functions, because Swift imports no such macros. */

#include <jansson.h>

static inline json_type cjansson_type(const json_t *value) { return json_typeof(value); }

#endif
