import MergePlanning
import TileKernels

/// Values in some places of a matrix, each found by its row.
struct ScatteredFormula: FormulaEvaluation {
  let values: FactorView
  let places: FactorView
  let rows: Int
  let columns: Int

  func memory(_ place: StepPlace) -> StepMemory {
    // Values, columns and the order of the rows, while they are read twice.
    StepMemory(shared: values.columns * (4 + 8 + 8) + rows * 8, work: values.columns * (4 + 4 + 4 + 8 + 8))
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    let numbers = try context.widened(places)
    let count = values.columns
    var starts = [Int](repeating: 0, count: rows + 1)
    for index in 0..<count {
      let (row, column) = (numbers[index], numbers[count + index])
      guard row >= 0, row < Float(rows), column >= 0, column < Float(columns), row == row.rounded(),
        column == column.rounded()
      else {
        throw MergeError(
          path: context.inputs.path(of: places.source.input), tensor: context.tensor.name,
          .place(row: row, column: column, rows: rows, columns: columns))
      }
      starts[Int(row) + 1] += 1
    }
    for row in 0..<rows { starts[row + 1] += starts[row] }
    var next = starts
    let found = try context.widened(values)
    var (sorted, sortedColumns) = ([Float](repeating: 0, count: count), [Int](repeating: 0, count: count))
    for index in 0..<count {
      let place = next[Int(numbers[index])]
      next[Int(numbers[index])] += 1
      (sorted[place], sortedColumns[place]) = (found[index], Int(numbers[count + index]))
    }
    return PreparedScatter(values: sorted, columnsOfValues: sortedColumns, starts: starts, columns: columns)
  }
}

/// Values in the order of their rows.
struct PreparedScatter: PreparedFormula {
  let values: [Float]
  let columnsOfValues: [Int]
  /// Where the values of each row begin.
  let starts: [Int]
  let columns: Int

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
