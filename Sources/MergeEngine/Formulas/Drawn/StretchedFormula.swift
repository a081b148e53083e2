import Adapters
import MergePlanning
import TileKernels

/// A matrix whose rows and columns stand several times each.
struct StretchedFormula: FormulaEvaluation {
  let formula: Formula<FactorView>
  let rows: Int
  let columns: Int

  func memory(_ place: StepPlace) -> StepMemory {
    let count = min(formula.rows, (place.tileRows - 1) / rows + 2)
    var memory = formula.evaluation.memory(StepPlace(tensor: place.tensor, tileRows: count))
    memory.rows += count * formula.columns * (4 + memory.perElement)
    memory.perElement = 4
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    PreparedStretch(
      formula: try formula.evaluation.prepare(context), rowCount: rows, columnCount: columns)
  }
}

/// A matrix whose rows can be computed, and how many times they and their elements stand.
struct PreparedStretch: PreparedFormula {
  let formula: any PreparedFormula
  let rowCount: Int
  let columnCount: Int

  var columns: Int { formula.columns * columnCount }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    let own = rows.lowerBound / rowCount..<(rows.upperBound - 1) / rowCount + 1
    let values = try formula.rows(own, &scratch)
    var whole = scratch.parts.popLast() ?? FloatBuffer()
    whole.grow(to: columns)
    for row in rows {
      let first = (row / rowCount - own.lowerBound) * formula.columns
      whole.stretch(values, from: first, count: formula.columns, times: columnCount)
      try delta.addScaled(
        whole, rows: 1, columns: columns, scale: scale, at: offset + (row - rows.lowerBound) * rowStride,
        rowStride: rowStride, scratch.kernels)
    }
    scratch.parts += [values, whole]
  }
}
