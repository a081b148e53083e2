// Sums in fp64 over vectors of fp32, and eigenvalues of symmetric matrices in fp64: what a low-rank factorization needs besides
// products of large matrices.
//
// Every loop is compiled for the baseline and, on x86-64, for AVX2. No multiplication is fused with an addition, and sums have
// fixed lanes, so all variants give the same bits. No function checks its arguments; the Swift target LowRank does.
#ifndef CSPECTRA_H
#define CSPECTRA_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// gram[i * count + j] = sum over n < length of vectors[i * length + n] * vectors[j * length + n], in fp64.
// The sum has 4 lanes in runs of 2048 elements; runs are added in their order.
void csp_gram(const float *vectors, size_t count, size_t length, double *gram);

// The same for two sets of vectors of one length: products[i * other_count + j] is that of vector i of one and j of the other.
void csp_products(const float *ones, size_t one_count, const float *others, size_t other_count, size_t length,
                  double *products);

// results[p * length + n] = (float)(sum over q < count of factors[p * count + q] * vectors[q * length + n]) for p < rows, in
// fp64 in the order of q. The results must not overlap the vectors.
void csp_combine(const double *factors, size_t rows, size_t count, const float *vectors, size_t length, float *results);

// The sum of the squares of so many values, in fp64; 8 lanes in runs of 4096 elements.
double csp_squares(const float *values, size_t count);

// transposed[c * rows + r] = values[r * columns + c]
void csp_transpose(const float *values, size_t rows, size_t columns, float *transposed);

// The eigenvalues of a symmetric matrix (count x count, both triangles filled) and its eigenvectors: Householder reflections to
// a tridiagonal matrix, then the QL method with implicit shifts (Wilkinson and Reinsch, Linear Algebra, 1971, II/2 and II/4).
//
// values[i] belongs to row i of `vectors`; they have no order. `matrix` is overwritten. `work` has room for
// csp_eigen_work(count) numbers. An error of a value is a small multiple of 2^-53 times the largest magnitude.
// Returns 0, or 1 if the iteration does not end; then the results are undefined.
int csp_eigen(double *matrix, size_t count, double *values, double *vectors, double *work);

size_t csp_eigen_work(size_t count);

#ifdef __cplusplus
}
#endif

#endif
