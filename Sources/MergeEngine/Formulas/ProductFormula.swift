import MergePlanning
import Safetensors
import TileKernels

/// A product of two factors: the right one is packed once, the left one's rows are read tile by tile.
struct ProductFormula: FormulaEvaluation {
  let left: FactorView
  let right: FactorView
  let diagonal: FactorView?

  func memory(_ place: StepPlace) -> StepMemory {
    var memory = StepMemory(rowsOf: left, place)
    memory.products = KernelSet.scratchByteCount(rows: place.tileRows, rank: left.columns)
    // The packed factor, and as it is in its file while it is packed.
    let read = StridedReads(right, rows: 0..<right.rows).elementCount * right.source.dtype.bitCount / 8
    memory.shared = ((try? PackedRight.byteCount(columns: right.columns, rank: right.rows)) ?? 0) + read
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    PreparedProduct(
      left: left, right: try context.packed(right), diagonal: try diagonal.map { try context.widened($0) })
  }
}

/// A product with its right factor packed.
struct PreparedProduct: PreparedLowRank {
  let left: FactorView
  let right: PackedRight
  /// What the left factor's columns are multiplied by; nil: nothing.
  let diagonal: [Float]?

  func readLeft(_ rows: Range<Int>, into buffer: inout FloatBuffer, _ scratch: inout FactorScratch) throws {
    let (inputs, kernels) = (scratch.inputs, scratch.kernels)
    try buffer.read(left, rows: rows, through: &scratch.raw, inputs, kernels)
    if let diagonal { buffer.multiplyColumns(by: diagonal, rows: rows.count, columns: left.columns) }
  }
}
