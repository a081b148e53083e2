import Adapters
import TileKernels

/// A matrix whose rows can be computed, each row or each column multiplied by its element of a vector.
struct PreparedVectorFactors: SettingFormula {
  let formula: any PreparedFormula
  let factors: [Float]
  let axis: Axis

  var columns: Int { formula.columns }

  func set(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, _ scratch: inout FactorScratch
  ) throws {
    try formula.set(rows: rows, scale: 1, to: &delta, at: offset, &scratch)
    switch axis {
    case .rows: delta.multiplyRows(by: factors[rows], columns: columns, at: offset)
    case .columns: delta.multiplyColumns(by: factors, rows: rows.count, columns: columns, at: offset)
    }
    if scale != 1 { try delta.scale(rows.count * columns, from: offset, by: scale, scratch.kernels) }
  }

  func merge(_ tile: Tile, weight: RawSpan, scale: Float, _ buffers: inout TileBuffers) throws -> UInt64? {
    guard case .columns = axis, let product = formula as? any PreparedLowRank else { return nil }
    let left = try product.left(tile.rows, &buffers.scratch)
    defer { buffers.scratch.parts.append(left) }
    return try left.merge(
      tile, weight, times: product.right, byColumns: factors, scale: scale, into: &buffers.output, buffers.kernels)
  }
}
