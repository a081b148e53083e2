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
    let skews = (0..<mixing.blocks.rows).map { block -> [Double] in
      let entries = values[block * size * size..<(block + 1) * size * size].map { Double($0) }
      return entries.indices.map { entries[$0] - entries[$0 % size * size + $0 / size] }
    }
    var factor = 1.0
    if let limit = mixing.limit {
      let norm = skews.joined().reduce(0) { $0 + $1 * $1 }.squareRoot()
      factor =
        limit.isAlwaysApplied
        ? (min(norm, limit.norm) + 1e-8) / (norm + 1e-8) : min(1, limit.norm / (norm + 1e-8))
    }
    matrices = mixing.used.map { block in
      let change = PlainRotation.change(skew: skews[block].map { factor * $0 }, size)
      return mixing.isTransposed ? change.indices.map { change[$0 % size * size + $0 / size] } : change
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
