/// Decompositions of fp32 matrices by the system's LAPACK, which is opened at run time: nothing is linked, and who does not
/// use it needs none.
///
/// Matrices are row-major. The last bits of a result depend on the library, its version and its threads. Calls may run at
/// the same time; the memory that each takes is said by the functions that end in `ByteCount`.
public struct LinearAlgebra: Sendable {
  private let library: LAPACKLibrary

  /// The name that the library was opened by.
  public var libraryName: String { library.name }

  /// Opens a LAPACK.
  ///
  /// - Parameter path: A library's path or name; nil: the first that the system has of those known by name, on Linux
  ///   `liblapack.so.3`, `libopenblas.so.0` and `libmkl_rt.so.2`, on macOS Accelerate.
  /// - Throws: ``LinearAlgebraError/noLibrary(tried:)``; for a given path what is wrong with it.
  public init(path: String? = nil) throws(LinearAlgebraError) {
    if let path {
      library = try LAPACKLibrary(path)
      return
    }
    for name in LAPACKLibrary.candidates {
      if let library = try? LAPACKLibrary(name) {
        self.library = library
        return
      }
    }
    throw .noLibrary(tried: LAPACKLibrary.candidates)
  }

  // MARK: - Singular values

  /// `W = U diag(S) Vh` with as many singular values as W has rows or columns, whichever are fewer.
  public struct SingularValues: Sendable, Equatable {
    /// min(rows, columns) values, the largest first.
    public let values: [Float]
    /// U: rows x `values.count`; its columns are orthonormal.
    public let left: [Float]
    /// Vh: `values.count` x columns; its rows are orthonormal.
    public let right: [Float]
  }

  /// The thin singular value decomposition of a matrix, by divide and conquer (LAPACK's `sgesdd`).
  ///
  /// - Parameters:
  ///   - matrix: `rows * columns` finite elements; consumed, because LAPACK overwrites it.
  /// - Throws: ``LinearAlgebraError``; no result of an iteration that did not converge is returned.
  public func singularValues(
    of matrix: consuming [Float], rows: Int, columns: Int
  ) throws(LinearAlgebraError) -> SingularValues {
    let count = min(rows, columns)
    try Self.check(matrix, rows: rows, columns: columns, rank: count)
    var values = [Float](repeating: 0, count: count)
    var left = [Float](repeating: 0, count: rows * count)
    var right = [Float](repeating: 0, count: count * columns)
    if count == 0 { return SingularValues(values: values, left: left, right: right) }
    var work = [Float](repeating: 0, count: Self.workCount(rows: rows, columns: columns))
    var integerWork = [Int32](repeating: 0, count: 8 * count)
    // What is row-major here is the transpose there: W^T = V diag(S) U^T, so that U and V change places.
    let (m, n, k) = (Int32(columns), Int32(rows), Int32(count))
    let workCount = Int32(work.count)
    var info: Int32 = 0
    var job = CChar(bitPattern: UInt8(ascii: "S"))
    unsafe matrix.withUnsafeMutableBufferPointer { matrix in
      unsafe values.withUnsafeMutableBufferPointer { values in
        unsafe left.withUnsafeMutableBufferPointer { left in
          unsafe right.withUnsafeMutableBufferPointer { right in
            unsafe work.withUnsafeMutableBufferPointer { work in
              unsafe integerWork.withUnsafeMutableBufferPointer { integerWork in
                guard let matrix = matrix.baseAddress, let values = values.baseAddress, let left = left.baseAddress,
                  let right = right.baseAddress, let work = work.baseAddress,
                  let integerWork = integerWork.baseAddress
                else { return }
                unsafe withUnsafePointers(m, n, k, workCount) { m, n, k, workCount in
                  unsafe library.sgesdd(
                    &job, m, n, matrix, m, values, right, m, left, k, work, workCount, integerWork, &info, 1)
                }
              }
            }
          }
        }
      }
    }
    if info < 0 { throw .badArgument(routine: "sgesdd", number: -Int(info)) }
    if info > 0 { throw .notConverged }
    return SingularValues(values: values, left: left, right: right)
  }

  /// The memory that ``singularValues(of:rows:columns:)`` holds at the most, with the matrix and the result.
  public static func singularValuesByteCount(rows: Int, columns: Int) -> Int {
    let count = min(rows, columns)
    let elements = rows * columns + count * (rows + columns + 1) + workCount(rows: rows, columns: columns)
    return elements * MemoryLayout<Float>.stride + 8 * count * MemoryLayout<Int32>.stride
  }

  /// What every version of `sgesdd` asks for at the least, and room for blocks of 64 columns.
  private static func workCount(rows: Int, columns: Int) -> Int {
    let count = min(rows, columns)
    return 4 * count * count + 7 * count + 64 * (rows + columns)
  }

  // MARK: - QR

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
    try factorise(&reflectors, rows: rows, &scales, &work)
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
  private static func qrWorkCount(columns: Int) -> Int { 64 * (columns + 1) + 65 * 64 }

  private func factorise(
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

  // MARK: - Arguments

  /// Refuses what LAPACK would answer with rubbish, or not at all.
  private static func check(_ matrix: [Float], rows: Int, columns: Int, rank: Int) throws(LinearAlgebraError) {
    let isRank = rank <= min(rows, columns) && rank >= min(1, rows, columns)
    guard rows >= 0, columns >= 0, isRank, matrix.count == rows * columns else {
      throw .wrongShape(rows: rows, columns: columns, rank: rank, elementCount: matrix.count)
    }
    guard isAddressable(rows: rows, columns: columns) else { throw .tooLarge(rows: rows, columns: columns) }
    let count = matrix.count { !$0.isFinite }
    guard count == 0 else { throw .notFinite(count: count) }
  }

  /// Whether a matrix of this shape, and its work space, fit LAPACK's 32-bit integers.
  public static func isAddressable(rows: Int, columns: Int) -> Bool {
    let limit = Int(Int32.max)
    // Each factor first, so that no product here overflows.
    return rows <= limit && columns <= limit && rows * columns <= limit
      && workCount(rows: rows, columns: columns) <= limit && qrWorkCount(columns: columns) <= limit
  }
}

/// Calls `body` with the addresses of four integers.
private func withUnsafePointers(
  _ a: Int32, _ b: Int32, _ c: Int32, _ d: Int32,
  _ body: (UnsafePointer<Int32>, UnsafePointer<Int32>, UnsafePointer<Int32>, UnsafePointer<Int32>) -> Void
) {
  unsafe withUnsafePointer(to: a) { a in
    unsafe withUnsafePointer(to: b) { b in
      unsafe withUnsafePointer(to: c) { c in
        unsafe withUnsafePointer(to: d) { d in unsafe body(a, b, c, d) }
      }
    }
  }
}
