import Adapters
import MergePlanning
import TileKernels

/// The engine's computation of one kind of formula.
protocol FormulaEvaluation {
  /// What it takes of memory.
  func memory(_ place: StepPlace) -> StepMemory
  /// Makes ready what the tiles share.
  func prepare(_ context: StepContext) throws -> any PreparedFormula
}

/// A formula whose rows can be computed.
protocol PreparedFormula: Sendable {
  /// Columns of its matrix.
  var columns: Int { get }
  /// Adds `scale` times some rows of its matrix to rows that lie in `delta` from `offset` on.
  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws
  /// Sets rows that lie one behind the other from `offset` on to `scale` times some rows of its matrix: to what adding them to
  /// -0 makes.
  func set(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, _ scratch: inout FactorScratch
  ) throws
  /// Where it is all that is added to the tensor: the merged rows in one pass into ``TileBuffers/output``, with the bits of
  /// the steps one after another; nil: it has no such pass.
  func merge(_ tile: Tile, weight: RawSpan, scale: Float, _ buffers: inout TileBuffers) throws -> UInt64?
}

extension PreparedFormula {
  /// Rows of its matrix, row after row, in a buffer that was used before if there is one.
  func rows(_ rows: Range<Int>, _ scratch: inout FactorScratch) throws -> FloatBuffer {
    var buffer = scratch.parts.popLast() ?? FloatBuffer()
    buffer.grow(to: rows.count * columns)
    try set(rows: rows, scale: 1, to: &buffer, at: 0, &scratch)
    return buffer
  }

  func set(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, _ scratch: inout FactorScratch
  ) throws {
    try delta.clear(rows.count * columns, from: offset)
    try add(rows: rows, scale: scale, to: &delta, at: offset, rowStride: columns, &scratch)
  }

  func merge(_ tile: Tile, weight: RawSpan, scale: Float, _ buffers: inout TileBuffers) throws -> UInt64? { nil }
}

/// A formula that has a ``PreparedFormula/set`` of its own and adds what that gives: each element is computed as a whole first.
protocol SettingFormula: PreparedFormula {}

extension SettingFormula {
  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    let values = try self.rows(rows, &scratch)
    try delta.addScaled(
      values, rows: rows.count, columns: columns, scale: scale, at: offset, rowStride: rowStride, scratch.kernels)
    scratch.parts.append(values)
  }
}

extension Formula where Operand == FactorView {
  /// The engine's one switch over formulas.
  var evaluation: any FormulaEvaluation {
    switch self {
    case .matrix(let values): MatrixFormula(values: values)
    case .product(let left, let right, let diagonal): ProductFormula(left: left, right: right, diagonal: diagonal)
    case .composed(let left, let right): ComposedFormula(left: left, right: right)
    case .tucker(let left, let core, let right): TuckerFormula(left: left, core: core, right: right)
    case .hadamard(let one, let other): HadamardFormula(one: one, other: other)
    case .kronecker(let outer, let inner, let kernel): KroneckerFormula(outer: outer, inner: inner, kernel: kernel)
    case .repeated(let formula, _, let columns): RepeatedFormula(formula: formula, columns: columns)
    case .scattered(let values, let places, let rows, let columns):
      ScatteredFormula(values: values, places: places, rows: rows, columns: columns)
    case .mixed(let mixture): MixedFormula(mixture: mixture)
    case .circulant(let kernels, let size): CirculantFormula(kernels: kernels, size: size)
    case .derived(let derivation): DerivedFormula(derivation: derivation)
    case .image(let weight, let columns, let dtype): ImageFormula(weight: weight, columns: columns, dtype: dtype)
    case .stretched(let formula, let rows, let columns):
      StretchedFormula(formula: formula, rows: rows, columns: columns)
    case .drawn(let draw): DrawnFormula(draw: draw)
    case .chosen(let values, let places): ChosenFormula(values: values, places: places)
    case .weighted(let weights, let matrices, let rows, let isTransposed):
      WeightedFormula(weights: weights, matrices: matrices, rows: rows, isTransposed: isTransposed)
    case .spectral(let spectrum): SpectralFormula(spectrum: spectrum)
    case .window(let formula, let rows): WindowFormula(formula: formula, rows: rows)
    case .open: preconditionFailure("a plan has no formula that is not whole")
    case .bounded(let left, let right, let bound): BoundedFormula(left: left, right: right, bound: bound)
    }
  }
}
