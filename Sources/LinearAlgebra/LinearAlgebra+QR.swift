extension LinearAlgebra {
  /// The leading part of `W = Q R`: the first columns of Q and the first rows of R.
  public struct LeadingQR: Sendable, Equatable {
    /// rows x rank; the columns are orthonormal.
    public let q: [Float]
    /// rank x columns; zero below the diagonal.
    public let r: [Float]
  }

  /// The first `rank` columns of Q and rows of R of a matrix's QR decomposition by Householder reflections (LAPACK's
  /// `sgeqrf`, `sormqr` and `sorgqr`).
  ///
  /// Reflections after the first `rank` touch neither, so that no others are made.
  ///
  /// - Parameters:
  ///   - matrix: `rows * columns` finite elements.
  ///   - rank: At least 1, at most the rows and the columns.
  public func leadingQR(
    of matrix: [Float], rows: Int, columns: Int, rank: Int
  ) throws(LinearAlgebraError) -> LeadingQR {
    try Self.check(matrix, rows: rows, columns: columns, rank: rank)
    // Column after column, as LAPACK has it: the first `rank` become reflectors, then Q; the others the rest of R.
    var reflectors = [Float](repeating: 0, count: rows * rank)
    var rest = [Float](repeating: 0, count: rows * (columns - rank))
    for row in 0..<rows {
      for column in 0..<rank { reflectors[column * rows + row] = matrix[row * columns + column] }
      for column in rank..<columns { rest[(column - rank) * rows + row] = matrix[row * columns + column] }
    }
    var scales = [Float](repeating: 0, count: rank)
    var work = [Float](repeating: 0, count: Self.qrWorkCount(columns: columns))
    var r = [Float](repeating: 0, count: rank * columns)
    try factorize(&reflectors, rows: rows, &scales, &work)
    if columns > rank { try applyTransposed(reflectors, scales, to: &rest, rows: rows, &work) }
    for row in 0..<rank {
      for column in row..<rank { r[row * columns + column] = reflectors[column * rows + row] }
      for column in rank..<columns { r[row * columns + column] = rest[(column - rank) * rows + row] }
    }
    try generate(&reflectors, rows: rows, scales, &work)
    var q = [Float](repeating: 0, count: rows * rank)
    for row in 0..<rows {
      for column in 0..<rank { q[row * rank + column] = reflectors[column * rows + row] }
    }
    return LeadingQR(q: q, r: r)
  }

  /// The memory that ``leadingQR(of:rows:columns:rank:)`` holds at the most, with the matrix and the result.
  public static func leadingQRByteCount(rows: Int, columns: Int, rank: Int) -> Int {
    let elements = 2 * rows * columns + rank * (rows + columns + 1) + qrWorkCount(columns: columns)
    return elements * MemoryLayout<Float>.stride
  }

  /// Room for blocks of 64 reflectors, and for the triangle of each.
  static func qrWorkCount(columns: Int) -> Int { 64 * (columns + 1) + 65 * 64 }

  private func factorize(
    _ matrix: inout [Float], rows: Int, _ scales: inout [Float], _ work: inout [Float]
  ) throws(LinearAlgebraError) {
    let (m, n, workCount) = (Int32(rows), Int32(scales.count), Int32(work.count))
    var info: Int32 = 0
    unsafe matrix.withUnsafeMutableBufferPointer { matrix in
      unsafe scales.withUnsafeMutableBufferPointer { scales in
        unsafe work.withUnsafeMutableBufferPointer { work in
          guard let matrix = matrix.baseAddress, let scales = scales.baseAddress, let work = work.baseAddress else {
            return
          }
          unsafe withUnsafePointers(m, n, n, workCount) { m, n, _, workCount in
            unsafe library.sgeqrf(m, n, matrix, m, scales, work, workCount, &info)
          }
        }
      }
    }
    if info != 0 { throw .badArgument(routine: "sgeqrf", number: -Int(info)) }
  }

  /// `matrix = Q^T matrix`, both column-major.
  private func applyTransposed(
    _ reflectors: [Float], _ scales: [Float], to matrix: inout [Float], rows: Int, _ work: inout [Float]
  ) throws(LinearAlgebraError) {
    let (m, n, k) = (Int32(rows), Int32(matrix.count / rows), Int32(scales.count))
    let workCount = Int32(work.count)
    var info: Int32 = 0
    var (side, transposition) = (CChar(bitPattern: UInt8(ascii: "L")), CChar(bitPattern: UInt8(ascii: "T")))
    unsafe matrix.withUnsafeMutableBufferPointer { matrix in
      unsafe reflectors.withUnsafeBufferPointer { reflectors in
        unsafe scales.withUnsafeBufferPointer { scales in
          unsafe work.withUnsafeMutableBufferPointer { work in
            guard let matrix = matrix.baseAddress, let reflectors = reflectors.baseAddress,
              let scales = scales.baseAddress, let work = work.baseAddress
            else { return }
            unsafe withUnsafePointers(m, n, k, workCount) { m, n, k, workCount in
              unsafe library.sormqr(
                &side, &transposition, m, n, k, reflectors, m, scales, matrix, m, work, workCount, &info, 1, 1)
            }
          }
        }
      }
    }
    if info != 0 { throw .badArgument(routine: "sormqr", number: -Int(info)) }
  }

  private func generate(
    _ matrix: inout [Float], rows: Int, _ scales: [Float], _ work: inout [Float]
  ) throws(LinearAlgebraError) {
    let (m, n, workCount) = (Int32(rows), Int32(scales.count), Int32(work.count))
    var info: Int32 = 0
    unsafe matrix.withUnsafeMutableBufferPointer { matrix in
      unsafe scales.withUnsafeBufferPointer { scales in
        unsafe work.withUnsafeMutableBufferPointer { work in
          guard let matrix = matrix.baseAddress, let scales = scales.baseAddress, let work = work.baseAddress else {
            return
          }
          unsafe withUnsafePointers(m, n, n, workCount) { m, n, k, workCount in
            unsafe library.sorgqr(m, n, k, matrix, m, scales, work, workCount, &info)
          }
        }
      }
    }
    if info != 0 { throw .badArgument(routine: "sorgqr", number: -Int(info)) }
  }
}
