extension LinearAlgebra {
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
  static func workCount(rows: Int, columns: Int) -> Int {
    let count = min(rows, columns)
    return 4 * count * count + 7 * count + 64 * (rows + columns)
  }
}
