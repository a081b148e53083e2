#define VARIANT(name) spa_baseline_##name
#include "plain_body.h"
