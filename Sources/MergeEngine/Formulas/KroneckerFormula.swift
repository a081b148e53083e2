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
    memory.perElement = 0
    // A row of the product, and of both matrices.
    memory.rows +=
      4 * outer.columns * inner.columns
      + outerRows * outer.columns * (4 + one.perElement) + innerRows * inner.columns * (4 + other.perElement)
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    PreparedKronecker(
      outer: try outer.evaluation.prepare(context), inner: try inner.evaluation.prepare(context),
      innerRows: inner.rows, kernel: kernel)
  }
}

/// Two matrices whose rows can be computed.
struct PreparedKronecker: PreparedRows {
  let outer: any PreparedFormula
  let inner: any PreparedFormula
  let innerRows: Int
  let kernel: Int

  var columns: Int { outer.columns * inner.columns }

  /// Rows of both matrices.
  struct Parts {
    let outer: FloatBuffer
    let inner: FloatBuffer
    /// The first of each.
    let firstOuter: Int
    let firstInner: Int
  }

  private func outerRows(_ rows: Range<Int>) -> Range<Int> {
    rows.lowerBound / innerRows..<(rows.upperBound - 1) / innerRows + 1
  }

  func runs(of rows: Range<Int>) -> [Range<Int>] {
    let outerRows = outerRows(rows)
    guard outerRows.count > 1, rows.count < innerRows else { return [rows] }
    // The last rows of the inner matrix and its first ones, apart, so that no others are computed.
    let middle = outerRows.upperBound * innerRows - innerRows
    return [rows.lowerBound..<middle, middle..<rows.upperBound]
  }

  func parts(of run: Range<Int>, _ scratch: inout FactorScratch) throws -> Parts {
    let outerRows = outerRows(run)
    let first = outerRows.count == 1 ? run.lowerBound % innerRows : 0
    let innerRows = outerRows.count == 1 ? first..<first + run.count : 0..<innerRows
    return Parts(
      outer: try outer.rows(outerRows, &scratch), inner: try inner.rows(innerRows, &scratch),
      firstOuter: outerRows.lowerBound, firstInner: first)
  }

  func setRow(
    _ row: Int, of parts: Parts, scale: Float, _ buffer: inout FloatBuffer, at offset: Int, _ kernels: KernelSet
  ) throws {
    let width = inner.columns
    let innerStart = (row % innerRows - parts.firstInner) * width
    let outerStart = (row / innerRows - parts.firstOuter) * outer.columns
    if kernel == 1 {
      return try buffer.setRow(
        offset..<offset + columns, to: parts.inner, from: innerStart..<innerStart + width,
        factors: (parts.outer, outerStart), scale: scale, kernels)
    }
    for column in 0..<outer.columns / kernel {
      let start = outerStart + column * kernel
      for inner in 0..<width {
        let place = offset + (column * width + inner) * kernel
        try buffer.setRow(
          place..<place + kernel, to: parts.outer, from: start..<start + kernel,
          factors: (parts.inner, innerStart + inner), scale: scale, kernels)
      }
    }
  }

  func buffers(of parts: Parts) -> [FloatBuffer] { [parts.outer, parts.inner] }
}
