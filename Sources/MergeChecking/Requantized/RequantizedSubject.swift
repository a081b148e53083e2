import CPlainArithmetic
import Inspection
import MergePlanning
import Safetensors

/// A weight that a merge requantizes to E4M3, and where the result has it.
struct RequantizedSubject: Sendable {
  /// What it was before the merge.
  let weight: QuantizedWeight
  /// The tensor of the base whose place the codes take.
  let source: MergePlan.Source
  let sourceType: spa_dtype
  let shape: [Int]
  let update: TensorUpdate
  /// Of the codes.
  let requantization: Requantization
  /// Where the result has the codes.
  let codes: MergePlan.Source
  /// What the result multiplies the codes of each block by.
  let scales: [Float]

  /// Rows of blocks, times the blocks in each.
  var blockCount: Int { Self.blockCount(requantization, rows: update.rows) }

  static func blockCount(_ requantization: Requantization, rows: Int) -> Int {
    requantization.bandCount(rows: rows) * requantization.grid.scaleColumns
  }

  /// The blocks that a row goes through, with the columns in each.
  func blocks(ofRow row: Int) -> some Sequence<(number: Int, columns: Range<Int>)> {
    let grid = requantization.grid
    let first = requantization.band(ofRow: row) * grid.scaleColumns
    return (0..<grid.scaleColumns).lazy.map { number in
      let column = number * grid.blockColumns
      return (first + number, column..<min(column + grid.blockColumns, grid.columns))
    }
  }
}
