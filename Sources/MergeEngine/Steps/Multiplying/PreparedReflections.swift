import Adapters
import MergePlanning
import TileKernels

/// Reflections one after another, as one change of low rank.
///
/// `(I - 2 u1 u1^T) (I - 2 u2 u2^T) ... = I - U S U^T`, U having the vectors as columns and S being an upper triangle that grows
/// by a column with each: -2 S U^T u above, 2 on the diagonal (the compact form of Schreiber and Van Loan, SIAM J. Sci. Stat.
/// Comput. 10 (1989)). So `W' = W - (W (U S)) U^T`. U and S are computed in double and so are the products of a row with the
/// columns of U S; the rest is fp32.
struct PreparedReflections: ValueStep {
  /// The columns of U S, one after another.
  let projections: [Double]
  /// U^T.
  let vectors: PackedRight

  var isSum: Bool { false }

  /// - Parameters:
  ///   - values: A matrix whose columns are the vectors, of any length but 0.
  ///   - areOrthogonal: Whether each is made orthogonal to those before it first.
  init(_ values: [Float], columns count: Int, areOrthogonal: Bool, _ kernels: KernelSet) throws {
    let vectors = Self.unitVectors(values, columns: count, areOrthogonal: areOrthogonal)
    let length = values.count / count
    var triangle = [[Double]](repeating: [Double](repeating: 0, count: count), count: count)
    for (last, vector) in vectors.enumerated() {
      let products = vectors[..<last].map { Self.product($0, vector) }
      for row in 0..<last {
        triangle[row][last] = -2 * (row..<last).reduce(0) { $0 + triangle[row][$1] * products[$1] }
      }
      triangle[last][last] = 2
    }
    var projections: [Double] = []
    for column in 0..<count {
      var sum = [Double](repeating: 0, count: length)
      for row in 0...column {
        for index in 0..<length { sum[index] += vectors[row][index] * triangle[row][column] }
      }
      projections += sum
    }
    self.projections = projections
    let rows = vectors.flatMap { $0.map { Float($0) } }
    self.vectors = try PackedRight(rowMajor: rows, rows: count, columns: length, kernels: kernels)
  }

  private static func unitVectors(_ values: [Float], columns: Int, areOrthogonal: Bool) -> [[Double]] {
    var vectors: [[Double]] = []
    for column in 0..<columns {
      var vector = stride(from: column, to: values.count, by: columns).map { Double(values[$0]) }
      if areOrthogonal {
        for other in vectors {
          let part = product(vector, other)
          for index in vector.indices { vector[index] -= part * other[index] }
        }
      }
      let norm = product(vector, vector).squareRoot()
      vectors.append(vector.map { $0 / norm })
    }
    return vectors
  }

  private static func product(_ one: [Double], _ other: [Double]) -> Double {
    var sum = 0.0
    for index in one.indices { sum += one[index] * other[index] }
    return sum
  }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try buffers.materialize(tile, start)
    let rows = tile.rows.count
    var parts = buffers.scratch.parts.popLast() ?? FloatBuffer()
    try parts.project(
      buffers.value, rows: rows, columns: tile.columns, on: projections, count: vectors.rank, buffers.kernels)
    try buffers.value.addProduct(
      parts.elements.span, vectors, rows: rows, scale: -1, rowStride: tile.columns, buffers.kernels)
    buffers.scratch.parts.append(parts)
  }
}
