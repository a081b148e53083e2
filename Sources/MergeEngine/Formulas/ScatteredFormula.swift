import MergePlanning
import TileKernels

/// Values in some places of a matrix, each found by its row.
struct ScatteredFormula: FormulaEvaluation {
  let values: FactorView
  let places: FactorView
  let rows: Int
  let columns: Int

  func memory(_ place: StepPlace) -> StepMemory {
    // Values, columns and the order of the rows; their places as they are stored, as numbers and in pairs.
    StepMemory(
      shared: values.columns * (4 + 8) + rows * 8, work: values.columns * (4 + places.rows * (8 + 8) + 16) + rows * 8)
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    let count = values.columns
    let numbers = try context.integers(places)
    var found: [(row: Int, column: Int)] = []
    found.reserveCapacity(count)
    for index in 0..<count {
      // One row has places in the matrix as a whole, row after row.
      let (row, column) =
        places.rows == 1
        ? (numbers[index] / columns, numbers[index] % columns) : (numbers[index], numbers[count + index])
      guard numbers[index] >= 0, row < rows, column >= 0, column < columns else {
        throw MergeError(
          path: context.inputs.path(of: places.source.input), tensor: context.tensor.name,
          .place(row: row, column: column, rows: rows, columns: columns))
      }
      found.append((row, column))
    }
    return PreparedScatter(try context.widened(values), found, rows: rows, columns: columns)
  }
}

/// Values in the order of their rows.
struct PreparedScatter: PreparedFormula {
  let values: [Float]
  let columnsOfValues: [Int]
  /// Where the values of each row begin.
  let starts: [Int]
  let columns: Int

  /// Values and their places, those of a row in their order.
  init(_ found: [Float], _ places: [(row: Int, column: Int)], rows: Int, columns: Int) {
    var starts = [Int](repeating: 0, count: rows + 1)
    for place in places { starts[place.row + 1] += 1 }
    for row in 0..<rows { starts[row + 1] += starts[row] }
    var next = starts
    var (sorted, sortedColumns) = (
      [Float](repeating: 0, count: places.count), [Int](repeating: 0, count: places.count)
    )
    for (index, place) in places.enumerated() {
      (sorted[next[place.row]], sortedColumns[next[place.row]]) = (found[index], place.column)
      next[place.row] += 1
    }
    (values, columnsOfValues, self.starts, self.columns) = (sorted, sortedColumns, starts, columns)
  }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    for row in rows {
      let start = offset + (row - rows.lowerBound) * rowStride
      for index in starts[row]..<starts[row + 1] {
        delta.add(scale * values[index], at: start + columnsOfValues[index])
      }
    }
  }
}
