import Adapters
import MergePlanning
import TileKernels

/// A matrix that repeats another one downwards and to the right.
struct RepeatedFormula: FormulaEvaluation {
  let formula: Formula<FactorView>
  let columns: Int

  func memory(_ place: StepPlace) -> StepMemory {
    let rows = min(formula.rows, place.tileRows)
    var memory = formula.evaluation.memory(StepPlace(tensor: place.tensor, tileRows: rows))
    memory.rows += rows * formula.columns * (4 + memory.perElement)
    memory.perElement = 4
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    PreparedRepetition(
      formula: try formula.evaluation.prepare(context), period: formula.rows, columns: columns)
  }
}

/// A matrix whose rows can be computed, with how many it has.
struct PreparedRepetition: PreparedFormula {
  let formula: any PreparedFormula
  let period: Int
  let columns: Int

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    let first = rows.lowerBound % period
    if first + rows.count > period, rows.count < period {
      let middle = rows.lowerBound + period - first
      for part in [rows.lowerBound..<middle, middle..<rows.upperBound] {
        try add(
          rows: part, scale: scale, to: &delta, at: offset + (part.lowerBound - rows.lowerBound) * rowStride,
          rowStride: rowStride, &scratch)
      }
      return
    }
    let start = rows.count < period ? first : 0
    let values = try formula.rows(start..<start + min(rows.count, period), &scratch)
    var whole = scratch.parts.popLast() ?? FloatBuffer()
    whole.grow(to: columns)
    for row in rows {
      let source = (row % period - start) * formula.columns
      for column in stride(from: 0, to: columns, by: formula.columns) {
        whole.set(column..<min(column + formula.columns, columns), to: values, from: source, factor: 1)
      }
      try delta.addScaled(
        whole, rows: 1, columns: columns, scale: scale, at: offset + (row - rows.lowerBound) * rowStride,
        rowStride: rowStride, scratch.kernels)
    }
    scratch.parts += [values, whole]
  }
}
