import MergePlanning
import TileKernels

/// A convolution's weight by a decomposition of Tucker's kind: core and right factor are multiplied once, and what follows
/// is an ordinary product.
struct TuckerFormula: FormulaEvaluation {
  let left: FactorView
  let core: FactorView
  let right: FactorView

  /// Positions of the kernel.
  private var positions: Int { core.columns / right.rows }
  private var columns: Int { right.columns * positions }

  func memory(_ place: StepPlace) -> StepMemory {
    var memory = StepMemory(rowsOf: left, place)
    memory.products = KernelSet.scratchByteCount(rows: place.tileRows, rank: left.columns)
    let floats = core.rows * core.columns + right.rows * right.columns + core.rows * columns
    memory.shared = (try? PackedRight.byteCount(columns: columns, rank: core.rows)) ?? 0
    memory.work = floats * MemoryLayout<Float>.stride
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    let product = Self.multiply(
      try context.widened(core), try context.widened(right), rows: core.rows, inner: right.rows,
      columns: right.columns, positions: positions)
    let packed = try PackedRight(rowMajor: product, rows: core.rows, columns: columns, kernels: context.kernels)
    return PreparedProduct(left: left, right: packed, diagonal: nil)
  }

  /// `core . right` for every position: element (i, n * positions + k) is the sum over j of
  /// `core[i, j * positions + k] * right[j, n]`, in double, rounded once.
  private static func multiply(
    _ core: [Float], _ right: [Float], rows: Int, inner: Int, columns: Int, positions: Int
  ) -> [Float] {
    var product = [Float](repeating: 0, count: rows * columns * positions)
    var sums = [Double](repeating: 0, count: columns * positions)
    for row in 0..<rows {
      for index in sums.indices { sums[index] = 0 }
      for j in 0..<inner {
        for position in 0..<positions {
          let factor = Double(core[(row * inner + j) * positions + position])
          for column in 0..<columns {
            sums[column * positions + position] += factor * Double(right[j * columns + column])
          }
        }
      }
      for (index, sum) in sums.enumerated() { product[row * sums.count + index] = Float(sum) }
    }
    return product
  }
}
