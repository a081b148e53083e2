import Adapters
import TileKernels

/// The rows of a tensor that a worker computes at once.
struct Tile {
  /// What statistics need of what was computed on the way, where PEFT's roundings leave no trace of it in the result.
  enum Keeping {
    case nothing
    /// The deltas before they are rounded.
    case deltas
    /// The values before the last rounding.
    case values
  }

  let rows: Range<Int>
  let columns: Int
  /// Of the weight, and of what is written.
  let source: ElementType
  let target: ElementType
  let rounding: TileRounding
  /// Whether what was computed is looked at afterwards: it must be in a buffer then.
  let isCompared: Bool
  let keeping: Keeping

  var count: Int { rows.count * columns }
  /// The place of the first element in the tensor.
  var firstElement: Int { rows.lowerBound * columns }
  /// Whether a step that does all in one pass over the weight may do so: nothing needs to be seen on the way.
  var isPlain: Bool { if case .nearest = rounding { !isCompared } else { false } }
}

/// Rows of factors on their way from the files.
struct FactorScratch: ~Copyable {
  let kernels: KernelSet
  let inputs: InputFiles
  /// Rows of a factor in fp32, and as they are in their file.
  var widened = FloatBuffer()
  var raw: [UInt8] = []
  /// Parts of formulas that are computed before they are combined.
  var parts: [FloatBuffer] = []

  init(kernels: KernelSet, inputs: InputFiles) {
    self.kernels = kernels
    self.inputs = inputs
  }
}

/// The buffers of an update's steps.
struct TileBuffers: ~Copyable {
  let kernels: KernelSet
  let inputs: InputFiles
  /// The delta that was summed last.
  var delta = FloatBuffer()
  /// The rows between the steps. While ``isAtStart`` they are still what the steps start from, and are not here yet.
  var value = FloatBuffer()
  private(set) var isAtStart = true
  /// Whether the result was the weight and ``delta`` in one pass, without a ``value``.
  var isDelta = false
  /// `W + delta` of the current rescaling, and its factors.
  var sums = FloatBuffer()
  var factors: [Float] = []
  /// What was meant, for ``Tile/keeping``.
  var exact = FloatBuffer()
  /// The rows without what is taken out of them, in the tensor's dtype.
  var remainder: [UInt8] = []
  /// Rows that are rounded between the steps.
  var encoded: [UInt8] = []
  /// The result.
  var output: [UInt8] = []
  var scratch: FactorScratch

  init(kernels: KernelSet, inputs: InputFiles) {
    self.kernels = kernels
    self.inputs = inputs
    scratch = FactorScratch(kernels: kernels, inputs: inputs)
  }

  /// What was computed last, before the rounding: ``delta`` or ``value``.
  var computed: [Float] { isDelta ? delta.elements : value.elements }
  /// What ``computed`` is.
  var computedIntention: KernelSet.Intention { isDelta ? .deltas : .values }

  /// Runs the steps one after another in fp32, into ``value``.
  ///
  /// - Parameter start: What they start from: the tile's rows, without what is taken out of them.
  mutating func run(_ steps: [any ValueStep], _ tile: Tile, start: RawSpan) throws {
    isAtStart = true
    isDelta = false
    if case .deltas = tile.keeping { try exact.clear(tile.count) }
    for step in steps { try step.apply(tile, start: start, &self) }
    try materialize(tile, start)
  }

  /// Makes ``value`` the rows as they are.
  mutating func materialize(_ tile: Tile, _ start: RawSpan) throws {
    guard isAtStart else { return }
    try value.widen(start, as: tile.source, kernels)
    isAtStart = false
  }

  /// Adds ``delta`` to the rows.
  mutating func addDelta(_ tile: Tile, _ start: RawSpan) throws {
    if isAtStart {
      try value.sum(start, tile.source, delta, kernels)
      isAtStart = false
    } else {
      try value.add(delta, count: tile.count, kernels)
    }
  }

  /// Multiplies the rows by ``factors``, each product rounded to fp32.
  mutating func rescale(_ tile: Tile, _ start: RawSpan, along axis: Axis) throws {
    try materialize(tile, start)
    encoded.grow(to: tile.count * 4, filler: 0)
    _ = try Self.rescale(start, tile, value, factors, axis, into: &encoded, .f32, kernels)
    try value.widen(encoded, as: .f32, count: tile.count, kernels)
  }

  /// Rounds ``sums`` times ``factors`` into ``output``; returns how many finite weights became infinite or NaN.
  mutating func rescaleSums(_ tile: Tile, _ weight: RawSpan, along axis: Axis) throws -> UInt64 {
    try Self.rescale(weight, tile, sums, factors, axis, into: &output, tile.target, kernels)
  }

  private static func rescale(
    _ weight: RawSpan, _ tile: Tile, _ values: FloatBuffer, _ factors: [Float], _ axis: Axis, into bytes: inout [UInt8],
    _ type: ElementType, _ kernels: KernelSet
  ) throws -> UInt64 {
    let values = values.elements.span.extracting(0..<tile.count)
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    switch axis {
    case .rows:
      return try kernels.rescaling.rows(
        weight, as: tile.source, values: values, by: factors.span, columns: tile.columns, into: &raw, as: type)
    case .columns:
      return try kernels.rescaling.columns(
        weight, as: tile.source, values: values, by: factors.span, rows: tile.rows.count, into: &raw, as: type)
    }
  }
}
