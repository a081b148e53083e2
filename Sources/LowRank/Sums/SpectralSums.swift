import CSpectra

/// The C loops of CSpectra on arrays; every size is checked here.
enum SpectralSums {
  /// The Gram matrix of vectors: element (i, j) is the scalar product of vectors i and j, accumulated in fp64.
  static func gram(_ vectors: VectorSet) -> [Double] {
    let count = vectors.count
    var gram = [Double](repeating: 0, count: count * count)
    unsafe gram.withUnsafeMutableBufferPointer { gram in
      unsafe vectors.elements.withUnsafeBufferPointer { source in
        guard let gram = gram.baseAddress, let source = source.baseAddress else { return }
        unsafe csp_gram(source, count, vectors.length, gram)
      }
    }
    return gram
  }

  /// The scalar products of vectors with others of the same length, accumulated in fp64, row by row.
  static func products(_ vectors: VectorSet, _ others: VectorSet) -> [Double] {
    precondition(vectors.length == others.length)
    var products = [Double](repeating: 0, count: vectors.count * others.count)
    unsafe products.withUnsafeMutableBufferPointer { products in
      unsafe vectors.elements.withUnsafeBufferPointer { ones in
        unsafe others.elements.withUnsafeBufferPointer { rest in
          guard let products = products.baseAddress, let ones = ones.baseAddress, let rest = rest.baseAddress
          else { return }
          unsafe csp_products(ones, vectors.count, rest, others.count, vectors.length, products)
        }
      }
    }
    return products
  }

  /// Vector p is the sum of `factors[p * vectors.count + q]` times vector q, accumulated in fp64 and rounded once.
  static func combine(_ factors: [Double], _ vectors: VectorSet) -> VectorSet {
    let count = vectors.count == 0 ? 0 : factors.count / vectors.count
    precondition(factors.count == count * vectors.count)
    let size = count * vectors.length
    let elements = unsafe [Float](unsafeUninitializedCapacity: size) { results, initializedCount in
      unsafe vectors.elements.withUnsafeBufferPointer { source in
        unsafe factors.withUnsafeBufferPointer { factors in
          guard let results = results.baseAddress, let source = source.baseAddress, let factors = factors.baseAddress
          else { return }
          unsafe csp_combine(factors, count, vectors.count, source, vectors.length, results)
          initializedCount = size
        }
      }
    }
    return VectorSet(count: count, length: vectors.length, elements: elements)
  }

  /// The sum of the squares, in fp64.
  static func squares(_ values: [Float]) -> Double {
    unsafe values.withUnsafeBufferPointer { values in
      guard let start = values.baseAddress else { return 0 }
      return unsafe csp_squares(start, values.count)
    }
  }

  /// A matrix with rows and columns exchanged.
  static func transposed(_ values: [Float], rows: Int, columns: Int) -> [Float] {
    precondition(values.count == rows * columns)
    return unsafe [Float](unsafeUninitializedCapacity: values.count) { results, initializedCount in
      unsafe values.withUnsafeBufferPointer { source in
        guard let results = results.baseAddress, let source = source.baseAddress else { return }
        unsafe csp_transpose(source, rows, columns, results)
        initializedCount = rows * columns
      }
    }
  }

  /// The eigenvalues of a symmetric matrix and its eigenvectors as rows, in no order; nil: they do not converge.
  static func eigen(_ matrix: consuming [Double], order: Int) -> (values: [Double], vectors: [Double])? {
    precondition(matrix.count == order * order)
    var values = [Double](repeating: 0, count: order)
    var vectors = [Double](repeating: 0, count: order * order)
    var work = [Double](repeating: 0, count: csp_eigen_work(order))
    var status: Int32 = 0
    unsafe matrix.withUnsafeMutableBufferPointer { matrix in
      unsafe values.withUnsafeMutableBufferPointer { values in
        unsafe vectors.withUnsafeMutableBufferPointer { vectors in
          unsafe work.withUnsafeMutableBufferPointer { work in
            guard let matrix = matrix.baseAddress, let values = values.baseAddress,
              let vectors = vectors.baseAddress, let work = work.baseAddress
            else { return }
            unsafe status = csp_eigen(matrix, order, values, vectors, work)
          }
        }
      }
    }
    return status == 0 ? (values, vectors) : nil
  }
}
