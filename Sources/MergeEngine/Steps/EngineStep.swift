import Adapters
import MergePlanning
import Safetensors
import TileKernels

/// One step of an update as the engine carries it out. A file of this folder has all of one: what it takes of memory, how it
/// is made ready once a tensor, and what it does to the rows of a tile.
protocol EngineStep {
  /// What it takes.
  func memory(_ place: StepPlace) -> StepMemory
  /// Makes ready what the tiles of the tensor share, and adds itself to what is done to each.
  func prepare(_ context: StepContext, in prepared: inout PreparedSteps) throws
}

extension UpdateStep where Operand == FactorView {
  /// The engine's one switch over steps.
  var engineStep: any EngineStep {
    switch self {
    case .subtract(let decomposition): SubtractPart(decomposition: decomposition)
    case .add(let addition): AddTerms(addition: addition)
    case .rescale(let rescaling): RescaleToNorms(rescaling: rescaling)
    case .scale(let factors, let axis): ScaleByVector(factors: factors, axis: axis)
    case .rotate(let rotation): RotateRows(rotation: rotation)
    case .mix(let mixing): MixPairs(mixing: mixing)
    case .mixBlocks(let mixing): MixBlocks(mixing: mixing)
    case .part(let part): ChangePart(part: part)
    case .round(let dtype): RoundBetween(dtype: dtype)
    case .replaceRows(let replacements): ReplaceRows(replacements: replacements)
    }
  }
}

/// Changes what the other steps start from.
protocol StartStep: Sendable {
  /// Sets ``TileBuffers/remainder`` to what the steps start from, in the weight's dtype.
  func start(_ tile: Tile, weight: RawSpan, _ buffers: inout TileBuffers) throws
}

/// Computes the rows of a tile again.
protocol ValueStep: Sendable {
  /// Whether it does nothing but add a delta, roundings apart.
  var isSum: Bool { get }
  /// Changes the rows.
  ///
  /// - Parameter start: What the steps start from.
  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws
  /// Where it is the only step: the result of the whole update in one pass over the weight, into ``TileBuffers/output``, with
  /// the bits of the steps one after another. Returns how many finite weights became infinite or NaN; nil: it has no such
  /// pass for this tile.
  func mergeInOnePass(_ tile: Tile, weight: RawSpan, _ buffers: inout TileBuffers) throws -> UInt64?
}

extension ValueStep {
  func mergeInOnePass(_ tile: Tile, weight: RawSpan, _ buffers: inout TileBuffers) throws -> UInt64? { nil }
}

/// Where a step is done, for what it takes of memory.
struct StepPlace {
  let tensor: ComputedTensor
  /// The most rows of a tile.
  let tileRows: Int
}

/// The memory of steps, in bytes.
struct StepMemory {
  /// Rows of a factor as they are in its file, those of a tile, and what products take: the largest counts.
  var rows = 0
  var products = 0
  /// Columns of the widest factor whose rows are widened.
  var widest = 0
  /// For each element of a tile.
  var perElement = 0
  /// What the tiles of a tensor share.
  var shared = 0
  /// While it is made ready, beside that; one tensor at a time.
  var work = 0

  /// With what another step takes too.
  static func += (left: inout StepMemory, right: StepMemory) {
    left.rows = max(left.rows, right.rows)
    left.products = max(left.products, right.products)
    left.widest = max(left.widest, right.widest)
    left.perElement = max(left.perElement, right.perElement)
    left.shared += right.shared
    left.work = max(left.work, right.work)
  }

  /// Rows between the steps, their sum with a delta, and a rounded copy, all fp32.
  static let values = 4 + 4 + 4

  /// Of a factor whose rows are read tile by tile.
  init(rowsOf view: FactorView, _ place: StepPlace) {
    rows =
      StridedReads(view, rows: 0..<min(place.tileRows, view.rows)).elementCount * view.source.dtype.bitCount / 8
    widest = view.columns
  }

  init(perElement: Int = 0, shared: Int = 0, work: Int = 0) {
    self.perElement = perElement
    self.shared = shared
    self.work = work
  }
}
