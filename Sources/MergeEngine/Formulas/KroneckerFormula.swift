import Adapters
import MergePlanning
import TileKernels

/// A Kronecker product: each element rounds once, of two that were computed in fp32.
struct KroneckerFormula: FormulaEvaluation {
  let outer: Formula<FactorView>
  let inner: Formula<FactorView>
  let kernel: Int

  func memory(_ place: StepPlace) -> StepMemory {
    // Rows of the outer matrix for some rows of the tile, and of the inner one no more than the tile has.
    let outerRows = min(outer.rows, (place.tileRows - 1) / inner.rows + 2)
    let innerRows = min(inner.rows, place.tileRows)
    let (one, other) = (
      outer.evaluation.memory(StepPlace(tensor: place.tensor, tileRows: outerRows)),
      inner.evaluation.memory(StepPlace(tensor: place.tensor, tileRows: innerRows))
    )
    var memory = one
    memory += other
    memory.perElement = 4
    memory.rows +=
      outerRows * outer.columns * (4 + one.perElement) + innerRows * inner.columns * (4 + other.perElement)
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    PreparedKronecker(
      outer: try outer.evaluation.prepare(context), inner: try inner.evaluation.prepare(context),
      innerRows: inner.rows, kernel: kernel)
  }
}

/// Two matrices whose rows can be computed.
struct PreparedKronecker: PreparedFormula {
  let outer: any PreparedFormula
  let inner: any PreparedFormula
  let innerRows: Int
  let kernel: Int

  var columns: Int { outer.columns * inner.columns }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    let outerRows = rows.lowerBound / innerRows..<(rows.upperBound - 1) / innerRows + 1
    let isInOne = outerRows.count == 1
    if !isInOne, rows.count < innerRows {
      // The last rows of the inner matrix and its first ones, apart, so that no others are computed.
      let middle = outerRows.upperBound * innerRows - innerRows
      for part in [rows.lowerBound..<middle, middle..<rows.upperBound] {
        try add(
          rows: part, scale: scale, to: &delta, at: offset + (part.lowerBound - rows.lowerBound) * rowStride,
          rowStride: rowStride, &scratch)
      }
      return
    }
    let one = try outer.rows(outerRows, &scratch)
    let first = isInOne ? rows.lowerBound % innerRows : 0
    let other = try inner.rows(isInOne ? first..<first + rows.count : 0..<innerRows, &scratch)
    var product = scratch.parts.popLast() ?? FloatBuffer()
    product.grow(to: rows.count * columns)
    for row in rows {
      let innerStart = (row % innerRows - first) * inner.columns
      let outerStart = (row / innerRows - outerRows.lowerBound) * outer.columns
      fill(&product, (row - rows.lowerBound) * columns, one, outerStart, other, innerStart)
    }
    try delta.addScaled(
      product, rows: rows.count, columns: columns, scale: scale, at: offset, rowStride: rowStride, scratch.kernels)
    scratch.parts += [one, other, product]
  }

  /// One row of the product, from a row of each.
  private func fill(
    _ product: inout FloatBuffer, _ start: Int, _ one: FloatBuffer, _ outerStart: Int, _ other: FloatBuffer,
    _ innerStart: Int
  ) {
    let width = inner.columns
    if kernel == 1 {
      for column in 0..<outer.columns {
        let place = start + column * width
        product.set(
          place..<place + width, to: other, from: innerStart, factor: one.elements[outerStart + column])
      }
      return
    }
    for column in 0..<outer.columns / kernel {
      for inner in 0..<width {
        let place = start + (column * width + inner) * kernel
        product.set(
          place..<place + kernel, to: one, from: outerStart + column * kernel,
          factor: other.elements[innerStart + inner])
      }
    }
  }
}
