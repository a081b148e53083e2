// The loops of CSpectra; included once per instruction set with VARIANT(name) defined.
#include <math.h>
#include <stdint.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#ifndef CSP_TYPES
#define CSP_TYPES
typedef float float4 __attribute__((vector_size(16)));
typedef double double4 __attribute__((vector_size(32)));
#define CSP_INLINE static inline __attribute__((always_inline))
#endif

// Elements of a run: the vectors' runs stay in the cache while pairs of them are multiplied.
#define GRAM_RUN 2048
#define GRAM_ROWS 4
#define GRAM_COLUMNS 2

CSP_INLINE void VARIANT(gram_block)(const float *const *one, const float *const *other, size_t length, double *sums) {
  double4 lanes[GRAM_ROWS][GRAM_COLUMNS] = {0};
  size_t n = 0;
  for (; n + 4 <= length; n += 4) {
    double4 right[GRAM_COLUMNS];
    for (size_t j = 0; j < GRAM_COLUMNS; j++) {
      float4 narrow;
      memcpy(&narrow, other[j] + n, sizeof narrow);
      right[j] = __builtin_convertvector(narrow, double4);
    }
    for (size_t i = 0; i < GRAM_ROWS; i++) {
      float4 narrow;
      memcpy(&narrow, one[i] + n, sizeof narrow);
      double4 left = __builtin_convertvector(narrow, double4);
      for (size_t j = 0; j < GRAM_COLUMNS; j++) lanes[i][j] += left * right[j];
    }
  }
  for (size_t i = 0; i < GRAM_ROWS; i++) {
    for (size_t j = 0; j < GRAM_COLUMNS; j++) {
      double sum = (lanes[i][j][0] + lanes[i][j][1]) + (lanes[i][j][2] + lanes[i][j][3]);
      for (size_t k = n; k < length; k++) sum += (double)one[i][k] * (double)other[j][k];
      sums[i * GRAM_COLUMNS + j] = sum;
    }
  }
}

// Products of vectors with each other: of all pairs, or of one set of vectors with itself, for which half of the pairs will do.
CSP_INLINE void VARIANT(add_pairs)(const float *ones, size_t one_count, const float *others, size_t other_count,
                                   size_t length, int is_half, double *sums) {
  memset(sums, 0, one_count * other_count * sizeof *sums);
  for (size_t start = 0; start < length; start += GRAM_RUN) {
    size_t run = length - start < GRAM_RUN ? length - start : GRAM_RUN;
    for (size_t i = 0; i < one_count; i += GRAM_ROWS) {
      size_t last = i + GRAM_ROWS < one_count ? i + GRAM_ROWS : one_count;
      size_t end = is_half ? last : other_count;
      for (size_t j = 0; j < end; j += GRAM_COLUMNS) {
        // A block beyond the last vector repeats that one, and its sums are dropped.
        const float *one[GRAM_ROWS], *other[GRAM_COLUMNS];
        for (size_t k = 0; k < GRAM_ROWS; k++) one[k] = ones + (i + k < last ? i + k : last - 1) * length + start;
        for (size_t k = 0; k < GRAM_COLUMNS; k++) {
          other[k] = others + (j + k < end ? j + k : end - 1) * length + start;
        }
        double block[GRAM_ROWS * GRAM_COLUMNS];
        VARIANT(gram_block)(one, other, run, block);
        for (size_t k = i; k < last; k++) {
          for (size_t l = j; l < j + GRAM_COLUMNS && l < end; l++) {
            sums[k * other_count + l] += block[(k - i) * GRAM_COLUMNS + l - j];
          }
        }
      }
    }
  }
}

void VARIANT(gram)(const float *vectors, size_t count, size_t length, double *gram) {
  VARIANT(add_pairs)(vectors, count, vectors, count, length, 1, gram);
  for (size_t i = 0; i < count; i++) {
    for (size_t j = i + 1; j < count; j++) gram[i * count + j] = gram[j * count + i];
  }
}

void VARIANT(products)(const float *ones, size_t one_count, const float *others, size_t other_count, size_t length,
                       double *products) {
  VARIANT(add_pairs)(ones, one_count, others, other_count, length, 0, products);
}

#define COMBINE_RUN 1024
#define COMBINE_ROWS 4

void VARIANT(combine)(const double *factors, size_t rows, size_t count, const float *vectors, size_t length, float *results) {
  for (size_t start = 0; start < length; start += COMBINE_RUN) {
    size_t run = length - start < COMBINE_RUN ? length - start : COMBINE_RUN;
    for (size_t p = 0; p < rows; p += COMBINE_ROWS) {
      size_t held = rows - p < COMBINE_ROWS ? rows - p : COMBINE_ROWS;
      const double *of[COMBINE_ROWS];
      for (size_t i = 0; i < COMBINE_ROWS; i++) of[i] = factors + (p + (i < held ? i : held - 1)) * count;
      size_t n = 0;
      for (; n + 8 <= run; n += 8) {
        double4 sums[COMBINE_ROWS][2] = {0};
        const float *column = vectors + start + n;
        for (size_t q = 0; q < count; q++, column += length) {
          float4 narrow[2];
          memcpy(narrow, column, sizeof narrow);
          double4 low = __builtin_convertvector(narrow[0], double4), high = __builtin_convertvector(narrow[1], double4);
          for (size_t i = 0; i < COMBINE_ROWS; i++) {
            sums[i][0] += of[i][q] * low;
            sums[i][1] += of[i][q] * high;
          }
        }
        for (size_t i = 0; i < held; i++) {
          for (size_t half = 0; half < 2; half++) {
            float4 narrow = __builtin_convertvector(sums[i][half], float4);
            memcpy(results + (p + i) * length + start + n + 4 * half, &narrow, sizeof narrow);
          }
        }
      }
      for (; n < run; n++) {
        for (size_t i = 0; i < held; i++) {
          double sum = 0;
          for (size_t q = 0; q < count; q++) sum += of[i][q] * (double)vectors[q * length + start + n];
          results[(p + i) * length + start + n] = (float)sum;
        }
      }
    }
  }
}

double VARIANT(squares)(const float *values, size_t count) {
  double total = 0;
  for (size_t start = 0; start < count; start += 4096) {
    size_t run = count - start < 4096 ? count - start : 4096;
    double4 one = {0}, other = {0};
    size_t n = 0;
    for (; n + 8 <= run; n += 8) {
      float4 narrow[2];
      memcpy(narrow, values + start + n, sizeof narrow);
      double4 low = __builtin_convertvector(narrow[0], double4), high = __builtin_convertvector(narrow[1], double4);
      one += low * low;
      other += high * high;
    }
    one += other;
    double sum = (one[0] + one[1]) + (one[2] + one[3]);
    for (; n < run; n++) sum += (double)values[start + n] * (double)values[start + n];
    total += sum;
  }
  return total;
}

#define TURN_EDGE 16

void VARIANT(transpose)(const float *values, size_t rows, size_t columns, float *transposed) {
  for (size_t r = 0; r < rows; r += TURN_EDGE) {
    size_t last_row = r + TURN_EDGE < rows ? r + TURN_EDGE : rows;
    for (size_t c = 0; c < columns; c += TURN_EDGE) {
      size_t last_column = c + TURN_EDGE < columns ? c + TURN_EDGE : columns;
      for (size_t j = c; j < last_column; j++) {
        for (size_t i = r; i < last_row; i++) transposed[j * rows + i] = values[i * columns + j];
      }
    }
  }
}

// ---- eigenvalues

CSP_INLINE double VARIANT(dot)(const double *one, const double *other, size_t count) {
  double4 lanes[2] = {0};
  size_t n = 0;
  for (; n + 8 <= count; n += 8) {
    double4 left[2], right[2];
    memcpy(left, one + n, sizeof left);
    memcpy(right, other + n, sizeof right);
    lanes[0] += left[0] * right[0];
    lanes[1] += left[1] * right[1];
  }
  lanes[0] += lanes[1];
  double sum = (lanes[0][0] + lanes[0][1]) + (lanes[0][2] + lanes[0][3]);
  for (; n < count; n++) sum += one[n] * other[n];
  return sum;
}

// Makes the matrix tridiagonal. Row k keeps the vector of reflection k behind its diagonal, `scales` its factor.
static void VARIANT(tridiagonalize)(double *matrix, size_t count, double *diagonal, double *beside, double *scales,
                                    double *products) {
  for (size_t k = 0; k + 2 < count; k++) {
    size_t rest = count - k - 1;
    double *vector = matrix + k * count + k + 1;
    double first = vector[0], tail = VARIANT(dot)(vector + 1, vector + 1, rest - 1);
    diagonal[k] = matrix[k * count + k];
    if (tail == 0) {
      beside[k] = first;
      scales[k] = 0;
      continue;
    }
    double length = sqrt(first * first + tail);
    double image = first > 0 ? -length : length;
    beside[k] = image;
    double scale = (image - first) / image, divisor = first - image;
    scales[k] = scale;
    vector[0] = 1;
    for (size_t i = 1; i < rest; i++) vector[i] /= divisor;
    double *below = matrix + (k + 1) * count + k + 1;
    for (size_t i = 0; i < rest; i++) products[i] = scale * VARIANT(dot)(below + i * count, vector, rest);
    double half = 0.5 * scale * VARIANT(dot)(products, vector, rest);
    for (size_t i = 0; i < rest; i++) products[i] -= half * vector[i];
    for (size_t i = 0; i < rest; i++) {
      double one = vector[i], other = products[i], *row = below + i * count;
      for (size_t j = 0; j < rest; j++) row[j] -= one * products[j] + other * vector[j];
    }
  }
  if (count > 1) {
    diagonal[count - 2] = matrix[(count - 2) * count + count - 2];
    beside[count - 2] = matrix[(count - 2) * count + count - 1];
  }
  diagonal[count - 1] = matrix[count * count - 1];
  beside[count - 1] = 0;
}

typedef struct {
  size_t row;
  double cosine, sine;
} VARIANT(rotation);

#define ROTATION_SLAB 64

// Applies rotations of neighboring rows in their order, to a slab of columns after another, which stays in the cache.
static void VARIANT(rotate)(double *vectors, size_t count, const VARIANT(rotation) * rotations, size_t rotation_count) {
  for (size_t start = 0; start < count; start += ROTATION_SLAB) {
    size_t width = count - start < ROTATION_SLAB ? count - start : ROTATION_SLAB;
    for (size_t k = 0; k < rotation_count; k++) {
      double cosine = rotations[k].cosine, sine = rotations[k].sine;
      double *one = vectors + rotations[k].row * count + start, *other = one + count;
      for (size_t j = 0; j < width; j++) {
        double upper = one[j], lower = other[j];
        other[j] = sine * upper + cosine * lower;
        one[j] = cosine * upper - sine * lower;
      }
    }
  }
}

// Makes the tridiagonal matrix diagonal and applies the rotations to the rows of `vectors`.
static int VARIANT(diagonalize)(double *diagonal, double *beside, size_t count, double *vectors,
                                VARIANT(rotation) * rotations, size_t capacity) {
  double largest = 0;
  for (size_t i = 0; i < count; i++) {
    double magnitude = fabs(diagonal[i]) + fabs(beside[i]);
    if (magnitude > largest) largest = magnitude;
  }
  // An element beside the diagonal that is smaller changes no eigenvalue by more than their rounding.
  double negligible = largest * 0x1p-53;
  size_t pending = 0;
  for (size_t first = 0; first < count; first++) {
    for (int turn = 0;; turn++) {
      size_t last = first;
      while (last + 1 < count && fabs(beside[last]) > negligible) last++;
      if (last == first) break;
      if (turn == 80) return 1;
      // The shift is the eigenvalue of the leading 2 x 2 block that is nearer to its first element.
      double slope = (diagonal[first + 1] - diagonal[first]) / (2 * beside[first]);
      double root = sqrt(slope * slope + 1);
      double shifted = diagonal[last] - diagonal[first] + beside[first] / (slope + (slope < 0 ? -root : root));
      double sine = 1, cosine = 1, carried = 0;
      size_t i = last;
      while (i > first) {
        i--;
        double bulge = sine * beside[i], kept = cosine * beside[i];
        double length = sqrt(bulge * bulge + shifted * shifted);
        beside[i + 1] = length;
        if (length == 0) {
          // The block splits here.
          diagonal[i + 1] -= carried;
          beside[last] = 0;
          i++;
          break;
        }
        sine = bulge / length;
        cosine = shifted / length;
        double base = diagonal[i + 1] - carried;
        double mixed = (diagonal[i] - base) * sine + 2 * cosine * kept;
        carried = sine * mixed;
        diagonal[i + 1] = base + carried;
        shifted = cosine * mixed - kept;
        rotations[pending++] = (VARIANT(rotation)){i, cosine, sine};
        if (pending == capacity) {
          VARIANT(rotate)(vectors, count, rotations, pending);
          pending = 0;
        }
        if (i == first) {
          diagonal[first] -= carried;
          beside[first] = shifted;
          beside[last] = 0;
        }
      }
    }
  }
  VARIANT(rotate)(vectors, count, rotations, pending);
  return 0;
}

#define REFLECTED_ROWS 4

// Applies the reflections to every row of `vectors`, the last one first.
static void VARIANT(reflect)(const double *matrix, const double *scales, size_t count, double *vectors) {
  for (size_t row = 0; row < count; row += REFLECTED_ROWS) {
    size_t held = count - row < REFLECTED_ROWS ? count - row : REFLECTED_ROWS;
    for (size_t k = count < 2 ? 0 : count - 2; k-- > 0;) {
      if (scales[k] == 0) continue;
      const double *vector = matrix + k * count + k + 1;
      size_t rest = count - k - 1;
      for (size_t i = 0; i < held; i++) {
        double *target = vectors + (row + i) * count + k + 1;
        double factor = scales[k] * VARIANT(dot)(vector, target, rest);
        for (size_t j = 0; j < rest; j++) target[j] -= factor * vector[j];
      }
    }
  }
}

int VARIANT(eigen)(double *matrix, size_t count, double *values, double *vectors, double *work, size_t capacity) {
  if (count == 0) return 0;
  double *beside = work, *scales = work + count, *products = work + 2 * count;
  VARIANT(rotation) *rotations = (VARIANT(rotation) *)(work + 3 * count);
  memset(vectors, 0, count * count * sizeof *vectors);
  for (size_t i = 0; i < count; i++) vectors[i * count + i] = 1;
  VARIANT(tridiagonalize)(matrix, count, values, beside, scales, products);
  if (VARIANT(diagonalize)(values, beside, count, vectors, rotations, capacity)) return 1;
  VARIANT(reflect)(matrix, scales, count, vectors);
  return 0;
}
