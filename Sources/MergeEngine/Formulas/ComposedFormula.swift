import Adapters
import MergePlanning
import TileKernels

/// A product of two matrices that are themselves computed: the right one is computed and packed once, the left one's rows
/// are computed tile by tile.
struct ComposedFormula: FormulaEvaluation {
  let left: Formula<FactorView>
  let right: Formula<FactorView>

  func memory(_ place: StepPlace) -> StepMemory {
    var memory = left.evaluation.memory(place)
    let other = right.evaluation.memory(StepPlace(tensor: place.tensor, tileRows: right.rows))
    memory.products = max(memory.products, KernelSet.scratchByteCount(rows: place.tileRows, rank: left.columns))
    // The rows of the left factor, for each element of the tile.
    memory.perElement += 4 * (left.columns / max(1, right.columns) + 1)
    memory.shared += (try? PackedRight.byteCount(columns: right.columns, rank: right.rows)) ?? 0
    // The right factor while it is computed.
    let count = right.rows * right.columns
    memory.work = max(memory.work, count * (4 + other.perElement) + other.rows + other.widest * right.rows * 4)
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    let right = try right.evaluation.prepare(context).matrix(rows: self.right.rows, context)
    let packed = try PackedRight(
      rowMajor: right, rows: self.right.rows, columns: self.right.columns, kernels: context.kernels)
    return PreparedComposition(left: try left.evaluation.prepare(context), right: packed)
  }
}

extension PreparedFormula {
  /// All of its matrix, row after row.
  func matrix(rows: Int, _ context: StepContext) throws -> [Float] {
    var scratch = FactorScratch(kernels: context.kernels, inputs: context.inputs)
    let buffer = try self.rows(0..<rows, &scratch)
    return Array(buffer.elements[..<(rows * columns)])
  }
}

/// A product with its right factor packed, and a left one whose rows can be computed.
struct PreparedComposition: PreparedLowRank {
  let left: any PreparedFormula
  let right: PackedRight

  func readLeft(_ rows: Range<Int>, into buffer: inout FloatBuffer, _ scratch: inout FactorScratch) throws {
    buffer.grow(to: rows.count * left.columns)
    try left.set(rows: rows, scale: 1, to: &buffer, at: 0, &scratch)
  }
}
