import Adapters
import Inspection
import MergePlanning
import Safetensors

/// Blocks of rows, each plus its product with a matrix from the left that is computed in double; the products are summed in fp32.
struct PlainBlockMixing: PlainStep {
  /// The matrix of each block less the identity, in double, row after row.
  private let matrices: [[Double]]
  private let size: Int
  private let level: Int?

  var multiplies: Bool { true }
  var sumLength: Int { size + 1 }

  init(_ mixing: BlockMixing<FactorView>, _ reader: inout FactorReader) throws(SafetensorsError) {
    size = mixing.size
    level = mixing.level
    let values = try reader.values(mixing.blocks)
    let size = mixing.size
    let skews = (0..<mixing.blocks.rows).map { block -> [[Double]] in
      let entries = values[block * size * size..<(block + 1) * size * size].map { Double($0) }
      return (0..<size).map { row in (0..<size).map { entries[row * size + $0] - entries[$0 * size + row] } }
    }
    var factor = 1.0
    if let limit = mixing.limit {
      let norm = skews.joined().joined().reduce(0) { $0 + $1 * $1 }.squareRoot()
      factor =
        limit.isAlwaysApplied
        ? (min(norm, limit.norm) + 1e-8) / (norm + 1e-8) : min(1, limit.norm / (norm + 1e-8))
    }
    matrices = mixing.used.map { block in
      let skew = skews[block].map { row in row.map { factor * $0 } }
      return Self.rotation(skew, isTransposed: mixing.isTransposed)
    }
  }

  /// `(I - Q) (I + Q)^-1 - I = -2 Q (I + Q)^-1`, the inverse by elimination in the rows; transposed or not.
  private static func rotation(_ skew: [[Double]], isTransposed: Bool) -> [Double] {
    let size = skew.count
    var rows = skew.enumerated().map { row, values in
      values.enumerated().map { $1 + ($0 == row ? 1 : 0) } + (0..<size).map { $0 == row ? 1.0 : 0 }
    }
    for pivot in 0..<size {
      let best = (pivot..<size).max { abs(rows[$0][pivot]) < abs(rows[$1][pivot]) } ?? pivot
      rows.swapAt(pivot, best)
      let scale = rows[pivot][pivot]
      for column in 0..<2 * size { rows[pivot][column] /= scale }
      for row in 0..<size where row != pivot {
        let factor = rows[row][pivot]
        if factor == 0 { continue }
        for column in 0..<2 * size { rows[row][column] -= factor * rows[pivot][column] }
      }
    }
    return (0..<size * size).map { place in
      let (row, column) = isTransposed ? (place % size, place / size) : (place / size, place % size)
      return -2 * (0..<size).reduce(0) { $0 + skew[row][$1] * rows[$1][size + column] }
    }
  }

  /// Where a row of the tensor is among the rows of the blocks, which stand one after another.
  private func place(of row: Int) -> Int {
    guard let level else { return row }
    let half = (size << level) / 2
    let inside = row % (2 * half)
    return row - inside + 2 * (inside % half) + inside / half
  }

  func apply(_ rows: Range<Int>, _ state: inout PlainRows) {
    let columns = state.columns
    let (values, exact, scales) = (state.values, state.exact, state.scales)
    // Where the tensor's row of each place begins.
    var starts = [Int](repeating: 0, count: rows.count)
    for row in rows { starts[place(of: row) - rows.lowerBound] = (row - rows.lowerBound) * columns }
    for place in 0..<rows.count {
      let matrix = matrices[(rows.lowerBound + place) / size]
      let (first, row) = (place - place % size, place % size)
      for column in 0..<columns {
        var (sum, wide, scale) = (Float(0), 0.0, 0.0)
        for k in 0..<size {
          let (factor, index) = (matrix[row * size + k], starts[first + k] + column)
          sum.addProduct(Float(factor), values[index])
          wide += factor * exact[index]
          scale += abs(factor) * scales[index]
        }
        let index = starts[place] + column
        state.values[index] = values[index] + sum
        state.exact[index] = exact[index] + wide
        state.scales[index] = scales[index] + scale
      }
    }
  }
}
