#include "variants.h"

#define VARIANT(name) csp_baseline_##name
#include "spectra_body.h"
