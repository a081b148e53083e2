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
struct PreparedProduct: PreparedFormula {
  let left: FactorView
  let right: PackedRight
  /// What the left factor's columns are multiplied by; nil: nothing.
  let diagonal: [Float]?

  var columns: Int { right.factorColumns }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    try readLeft(rows, &scratch)
    try delta.addProduct(
      scratch.widened.elements.span, right, rows: rows.count, scale: scale, at: offset, rowStride: rowStride,
      scratch.kernels)
  }

  func merge(_ tile: Tile, weight: RawSpan, scale: Float, _ buffers: inout TileBuffers) throws -> UInt64? {
    guard diagonal == nil else { return nil }
    try readLeft(tile.rows, &buffers.scratch)
    return try Self.merge(
      tile, weight, buffers.scratch.widened, right, scale: scale, into: &buffers.output, buffers.kernels)
  }

  private static func merge(
    _ tile: Tile, _ weight: RawSpan, _ left: FloatBuffer, _ right: PackedRight, scale: Float,
    into output: inout [UInt8], _ kernels: KernelSet
  ) throws -> UInt64 {
    var span = output.mutableSpan
    var bytes = unsafe span.mutableBytes
    return try kernels.mergeLowRank(
      weight, as: tile.source, left: left.elements.span.extracting(0..<tile.rows.count * right.rank), right: right,
      rows: tile.rows.count, scale: scale, into: &bytes, as: tile.target)
  }

  private func readLeft(_ rows: Range<Int>, _ scratch: inout FactorScratch) throws {
    let (inputs, kernels) = (scratch.inputs, scratch.kernels)
    try scratch.widened.read(left, rows: rows, through: &scratch.raw, inputs, kernels)
    if let diagonal { scratch.widened.multiplyColumns(by: diagonal, rows: rows.count, columns: left.columns) }
  }
}
