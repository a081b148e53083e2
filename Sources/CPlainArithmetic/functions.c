// Functions of one number, by the C library.
#include <math.h>

#include "CPlainArithmetic.h"

static double logistic(double x) { return 1 / (1 + exp(-x)); }

static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

static double normal(double x) { return erfc(-x * 0.70710678118654752440) / 2; }

static double clamp(double x, double least, double most) { return x < least ? least : x > most ? most : x; }

double spa_activation(spa_function function, double x) {
  switch (function) {
    case SPA_GELU: return x * normal(x);
    case SPA_GELU_10: return clamp(x * normal(x), -10, 10);
    case SPA_GELU_FAST: return x / 2 * (1 + tanh(0.7978845608 * (x + 0.044715 * x * x * x)));
    case SPA_GELU_NEW: return x / 2 * (1 + tanh(1.12837916709551257390 * 0.70710678118654752440 * (x + 0.044715 * x * x * x)));
    case SPA_QUICK_GELU: return x * logistic(1.702 * x);
    case SPA_HARDSWISH: return x * clamp(x + 3, 0, 6) / 6;
    case SPA_LAPLACE: return normal((x - 0.707107) / 0.282095);
    case SPA_LEAKY_RELU: return x < 0 ? x * 0.01 : x;
    case SPA_LINEAR: return x;
    case SPA_MISH: return x * tanh(softplus(x));
    case SPA_PRELU: return x < 0 ? x * 0.25 : x;
    case SPA_RELU: return x < 0 ? 0 : x;
    case SPA_RELU2: return x < 0 ? 0 : x * x;
    case SPA_RELU6: return clamp(x, 0, 6);
    case SPA_SIGMOID: return logistic(x);
    case SPA_SILU: return x * logistic(x);
    case SPA_SQRTSOFTPLUS: return sqrt(x > 20 ? x : softplus(x));
    case SPA_TANH: return tanh(x);
  }
  return x;
}
