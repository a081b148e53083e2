import Adapters
import MergePlanning
import TileKernels

/// A matrix that repeats another one downwards and to the right.
struct RepeatedFormula: FormulaEvaluation {
  let formula: Formula<FactorView>
  let columns: Int

  /// The most elements of a matrix that is held in memory where its rows lie scattered in the file.
  private static let heldElementCount = TileSize.largestElementCount

  /// Whether the matrix is read once: a tile takes as many reads as it has columns otherwise.
  private var isHeld: Bool {
    guard case .matrix(let view) = formula, view.columnStride > 1 else { return false }
    return view.rows * view.columns <= Self.heldElementCount
  }

  func memory(_ place: StepPlace) -> StepMemory {
    let rows = min(formula.rows, place.tileRows)
    var memory = formula.evaluation.memory(StepPlace(tensor: place.tensor, tileRows: isHeld ? formula.rows : rows))
    if isHeld {
      // In fp32, and as it is in its file while it is read.
      memory.shared += formula.rows * formula.columns * MemoryLayout<Float>.stride
      memory.work = max(memory.work, memory.rows)
      (memory.rows, memory.widest) = (0, 0)
    }
    memory.rows += rows * formula.columns * (4 + memory.perElement) + 4 * columns
    memory.perElement = 0
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    var prepared = try formula.evaluation.prepare(context)
    if isHeld, case .matrix(let view) = formula {
      let values = try context.widened(view)
      prepared = PreparedValues(values, columns: view.columns)
    }
    return PreparedRepetition(formula: prepared, period: formula.rows, columns: columns)
  }
}

/// A matrix whose rows can be computed, with how many it has.
struct PreparedRepetition: PreparedRows {
  let formula: any PreparedFormula
  let period: Int
  let columns: Int

  /// Rows of the matrix, from row `first` on.
  struct Parts {
    let values: FloatBuffer
    let first: Int
  }

  func runs(of rows: Range<Int>) -> [Range<Int>] {
    let first = rows.lowerBound % period
    guard first + rows.count > period, rows.count < period else { return [rows] }
    // The matrix's last rows and its first ones, apart, so that no others are computed.
    let middle = rows.lowerBound + period - first
    return [rows.lowerBound..<middle, middle..<rows.upperBound]
  }

  func parts(of run: Range<Int>, _ scratch: inout FactorScratch) throws -> Parts {
    let first = run.count < period ? run.lowerBound % period : 0
    return Parts(values: try formula.rows(first..<first + min(run.count, period), &scratch), first: first)
  }

  func setRow(
    _ row: Int, of parts: Parts, scale: Float, _ buffer: inout FloatBuffer, at offset: Int, _ kernels: KernelSet
  ) throws {
    let start = (row % period - parts.first) * formula.columns
    try buffer.setRow(
      offset..<offset + columns, to: parts.values, from: start..<start + formula.columns, scale: scale, kernels)
  }

  func buffers(of parts: Parts) -> [FloatBuffer] { [parts.values] }
}
