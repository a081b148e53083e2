import LinearAlgebra
import TestSupport
import Testing

/// The decompositions, against what they must have in common with the matrix, summed in double.
@Suite struct LinearAlgebraTests {
  static let shapes = [(1, 1), (1, 7), (7, 1), (5, 5), (33, 17), (17, 33), (150, 40), (40, 150), (64, 64)]

  /// On Linux Debian's liblapack3, which `.ci/setup` installs: without it this fails, and says so.
  private func library() throws -> LinearAlgebra { try LinearAlgebra() }

  private func matrix(_ rows: Int, _ columns: Int) -> [Float] {
    var random = SeededGenerator()
    return (0..<rows * columns).map { _ in Float(Int32(truncatingIfNeeded: random.next()) >> 8) * 0x1p-23 }
  }

  /// `left` (rows x count) times `right` (count x columns), its columns and rows scaled by `scales`.
  private func product(
    _ left: [Float], _ scales: [Float]?, _ right: [Float], rows: Int, count: Int, columns: Int
  ) -> [Double] {
    var result = [Double](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for k in 0..<count {
        let factor = Double(left[row * count + k]) * Double(scales?[k] ?? 1)
        for column in 0..<columns { result[row * columns + column] += factor * Double(right[k * columns + column]) }
      }
    }
    return result
  }

  private func transposed(_ matrix: [Float], rows: Int, columns: Int) -> [Float] {
    (0..<rows * columns).map { matrix[$0 % rows * columns + $0 / rows] }
  }

  private func distance(_ one: [Double], _ other: [Double]) -> Double {
    zip(one, other).map { abs($0 - $1) }.max() ?? 0
  }

  /// What a library may be off by, relative to the matrix: that of LAPACK itself grows with the number of summands, and the order
  /// of a sum depends on where the matrix lies in memory.
  private func bound(_ rows: Int, _ columns: Int) -> Double { 2e-6 + 0x1p-23 * Double(max(rows, columns)) }

  private func identity(_ count: Int) -> [Double] { (0..<count * count).map { $0 / count == $0 % count ? 1 : 0 } }

  @Test(arguments: shapes)
  func singularValuesMakeTheMatrix(rows: Int, columns: Int) throws {
    let matrix = matrix(rows, columns)
    let found = try library().singularValues(of: matrix, rows: rows, columns: columns)
    let count = min(rows, columns)
    #expect(found.values.count == count)
    #expect(found.values == found.values.sorted(by: >) && found.values.allSatisfy { $0 >= 0 })
    let made = product(found.left, found.values, found.right, rows: rows, count: count, columns: columns)
    let bound = bound(rows, columns)
    #expect(distance(made, matrix.map(Double.init)) < bound * Double(found.values[0]))
    let lefts = product(
      transposed(found.left, rows: rows, columns: count), nil, found.left, rows: count, count: rows, columns: count)
    #expect(distance(lefts, identity(count)) < bound)
    let rights = product(
      found.right, nil, transposed(found.right, rows: count, columns: columns), rows: count, count: columns,
      columns: count)
    #expect(distance(rights, identity(count)) < bound)
  }

  @Test(arguments: shapes)
  func leadingPartsOfQRMakeTheFirstColumns(rows: Int, columns: Int) throws {
    let matrix = matrix(rows, columns)
    let bound = bound(rows, columns)
    for rank in Set([1, min(rows, columns, 4), min(rows, columns)]) {
      let found = try library().leadingQR(of: matrix, rows: rows, columns: columns, rank: rank)
      let made = product(found.q, nil, found.r, rows: rows, count: rank, columns: columns)
      let norm = matrix.reduce(0) { $0 + Double($1 * $1) }.squareRoot()
      for row in 0..<rows {
        for column in 0..<(rank == rows ? columns : rank) {
          #expect(abs(made[row * columns + column] - Double(matrix[row * columns + column])) < bound * norm)
        }
      }
      for row in 0..<rank { #expect(found.r[row * columns..<row * columns + row].allSatisfy { $0 == 0 }) }
      let transposedQ = transposed(found.q, rows: rows, columns: rank)
      let products = product(transposedQ, nil, found.q, rows: rank, count: rows, columns: rank)
      #expect(distance(products, identity(rank)) < bound)
      // The rows of R are Q^T W.
      let rows = product(transposedQ, nil, matrix, rows: rank, count: rows, columns: columns)
      #expect(distance(rows, found.r.map(Double.init)) < bound * norm)
    }
  }

  @Test func noElementsHaveNoSingularValues() throws {
    let found = try library().singularValues(of: [], rows: 0, columns: 5)
    #expect(found.values.isEmpty && found.left.isEmpty && found.right.isEmpty)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func whatIsNotFiniteIsRefused(value: Float) throws {
    var matrix = matrix(6, 5)
    matrix[7] = value
    matrix[29] = value
    #expect(throws: LinearAlgebraError.notFinite(count: 2)) {
      _ = try library().singularValues(of: matrix, rows: 6, columns: 5)
    }
    #expect(throws: LinearAlgebraError.notFinite(count: 2)) {
      _ = try library().leadingQR(of: matrix, rows: 6, columns: 5, rank: 2)
    }
  }

  @Test(arguments: [(2, 3, 4, 1), (2, 3, 6, 0), (2, 3, 6, 3), (-2, -3, 6, 1)])
  func shapesThatDoNotFitAreRefused(rows: Int, columns: Int, elementCount: Int, rank: Int) throws {
    let elements = [Float](repeating: 1, count: elementCount)
    #expect(
      throws: LinearAlgebraError.wrongShape(rows: rows, columns: columns, rank: rank, elementCount: elementCount)
    ) { _ = try library().leadingQR(of: elements, rows: rows, columns: columns, rank: rank) }
  }

  @Test func whatIntegersOf32BitsDoNotCountIsTooLarge() {
    #expect(LinearAlgebra.isAddressable(rows: 128_256, columns: 8192))
    #expect(!LinearAlgebra.isAddressable(rows: 30_000, columns: 30_000))
    #expect(!LinearAlgebra.isAddressable(rows: 1 << 40, columns: 1))
    #expect(!LinearAlgebra.isAddressable(rows: .max, columns: .max))
  }

  @Test func aLibraryThatIsNotThereIsNamed() throws {
    let error = #expect(throws: LinearAlgebraError.self) { _ = try LinearAlgebra(path: "/nonexistent/liblapack.so.3") }
    guard case .libraryNotLoaded(let name, let reason) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(name == "/nonexistent/liblapack.so.3" && reason.contains("nonexistent"))
  }

  #if os(Linux)
  @Test func aLibraryWithoutTheRoutinesIsNamed() {
    #expect(throws: LinearAlgebraError.routineMissing(name: "libm.so.6", routine: "sgesdd_")) {
      _ = try LinearAlgebra(path: "libm.so.6")
    }
  }
  #endif

  @Test func memoryIsWhatTheArraysTake() {
    // W, U, S, Vh, work, integer work.
    #expect(
      LinearAlgebra.singularValuesByteCount(rows: 6, columns: 4)
        == 4 * (24 + 24 + 4 + 16 + (64 + 28 + 640)) + 4 * 32)
    #expect(
      LinearAlgebra.leadingQRByteCount(rows: 6, columns: 4, rank: 2)
        == 4 * (24 + 24 + 12 + 8 + 2 + 64 * 5 + 65 * 64))
  }
}
