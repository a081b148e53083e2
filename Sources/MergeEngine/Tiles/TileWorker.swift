import MergePlanning
import Safetensors
import TileKernels

/// One worker's buffers and the pipeline that runs in them: decode, delta, combine or rescale, encode.
struct TileWorker: ~Copyable {
  let kernels: KernelSet
  let inputs: InputFiles
  var reader = WeightReader()
  private(set) var delta: [Float] = []
  private var widened: [Float] = []
  /// The tensor's rows after some of several stages, and `W + delta` of the stage at hand.
  private(set) var value: [Float] = []
  private var sums: [Float] = []
  private var norms: [Float] = []
  private var factors: [Float] = []
  /// The tensor's rows without what is taken out of it, in its dtype.
  private var remainder: [UInt8] = []
  private var encoded: [UInt8] = []
  /// Rows of a factor as they are in its file.
  private var raw: [UInt8] = []
  private(set) var output: [UInt8] = []
  /// Nil: no statistics are wanted.
  var comparison: TileComparison?
  /// Rows that are made codes again, and what the codes stand for, in fp32.
  var codes: [UInt8] = []
  var nf4Values: [Float] = []
  var decoded: [UInt8] = []

  init(kernels: KernelSet, inputs: InputFiles, collectsStatistics: Bool = false) {
    self.kernels = kernels
    self.inputs = inputs
    comparison = collectsStatistics ? TileComparison() : nil
  }

  /// Reads `rows` of a tensor's weight to the start of `buffer`, in ``MergePlan/Tensor/weightDType``; returns how many bytes
  /// they are.
  ///
  /// - Parameter scales: ``SharedFactors/scales``.
  mutating func read(
    _ tensor: MergePlan.Tensor, _ update: TensorUpdate, rows: Range<Int>, scales: [Float]? = nil,
    into buffer: inout [UInt8]
  ) throws -> Int {
    try reader.read(tensor, update, rows: rows, scales: scales, inputs, kernels, into: &buffer)
  }

  /// Computes `rows` of a tensor into the first bytes of ``output``.
  ///
  /// - Parameter weight: The bytes of these rows in the tensor's source.
  /// - Returns: How many bytes they are, and how many finite elements became infinite or NaN.
  mutating func compute(
    _ tensor: MergePlan.Tensor, _ update: TensorUpdate, rows: Range<Int>, weight: RawSpan, _ prepared: SharedFactors,
    _ rounding: TileRounding
  ) throws -> (byteCount: Int, nonFinite: UInt64) {
    let (source, target) = try inputs.elementTypes(of: tensor)
    let count = rows.count * update.columns
    let firstElement = rows.lowerBound * update.columns
    output.grow(to: count * target.byteCount, filler: 0)
    let nonFinite: UInt64
    if case .nearest = rounding, comparison == nil, let (term, left, packed) = Self.onlyProduct(update, prepared) {
      nonFinite = try mergeProduct(term, left, packed, rows: rows, weight: weight, source, target)
    } else if Self.isOneDelta(update) {
      try sumTerms(update, stage: 0, rows: rows, prepared)
      nonFinite = try rounding.combine(weight, source, delta, into: &output, target, firstElement, kernels)
    } else if case .nearest = rounding, Self.isOneRescaling(update), comparison == nil {
      nonFinite = try rescaleOnce(update, rows: rows, weight: weight, source, prepared, target)
    } else {
      try withStart(update, rows: rows, weight: weight, source, prepared) { worker, start in
        try worker.runStages(update, rows: rows, weight: start, source, prepared)
      }
      nonFinite = try rounding.encode(value, for: weight, source, into: &output, target, firstElement, kernels)
    }
    try replaceRows(update, rows: rows, target)
    return (count * target.byteCount, nonFinite)
  }

  /// Compares the rows that were computed last with the base's and with what was meant, for ``comparison``.
  ///
  /// What was meant is the exact result, without the roundings that PEFT has before the last.
  mutating func compare(
    _ tensor: MergePlan.Tensor, _ update: TensorUpdate, rows: Range<Int>, weight: RawSpan
  ) throws {
    guard var comparison else { return }
    // Taken out while it is changed, so that its buffers are not copied.
    self.comparison = nil
    let (source, target) = try inputs.elementTypes(of: tensor)
    let isOneDelta = Self.isOneDelta(update)
    let isKept = update.stages.contains { $0.intermediate != nil }
    let isSum = isOneDelta || (isKept && Self.isSum(update))
    try comparison.compare(
      output, as: target, with: weight, as: source, intended: isKept ? nil : isOneDelta ? delta : value,
      are: isSum ? .deltas : .values, rowCount: rows.count, columns: update.columns, kernels)
    for replacement in update.rowReplacements where rows.contains(replacement.row) {
      try Self.widen(replacement.values, rows: 0..<1, into: &widened, &raw, inputs, kernels)
      try comparison.compare(
        row: replacement.row - rows.lowerBound, output, as: target, with: weight, as: source, values: widened,
        columns: update.columns, kernels)
    }
    self.comparison = comparison
  }

  /// Whether the update is a sum of deltas that is rounded with the weight in one pass.
  static func isOneDelta(_ update: TensorUpdate) -> Bool {
    update.stages.count <= 1 && isSum(update) && update.stages.allSatisfy { $0.intermediate == nil }
  }

  /// The one low-rank product of all rows and columns that the update consists of, if it is that: it is merged in one pass.
  private static func onlyProduct(
    _ update: TensorUpdate, _ prepared: SharedFactors
  ) -> (DeltaTerm, left: FactorView, PackedRight)? {
    guard isOneDelta(update), update.terms.count == 1, case .lowRank(let left, _) = update.terms[0].kind,
      update.terms[0].diagonal == nil, update.terms[0].rows == 0..<update.rows,
      update.terms[0].columns == 0..<update.columns, let packed = prepared.factors.first?.first ?? nil
    else { return nil }
    return (update.terms[0], left, packed)
  }

  private mutating func mergeProduct(
    _ term: DeltaTerm, _ left: FactorView, _ right: PackedRight, rows: Range<Int>, weight: RawSpan,
    _ source: ElementType, _ target: ElementType
  ) throws -> UInt64 {
    try Self.widen(left, rows: rows, into: &widened, &raw, inputs, kernels)
    return try Self.merge(
      weight, source, left: widened, right, rows: rows.count, scale: term.scaling, into: &output, target, kernels)
  }

  private static func merge(
    _ weight: RawSpan, _ source: ElementType, left: [Float], _ right: PackedRight, rows: Int, scale: Float,
    into output: inout [UInt8], _ target: ElementType, _ kernels: KernelSet
  ) throws -> UInt64 {
    var span = output.mutableSpan
    var bytes = unsafe span.mutableBytes
    return try kernels.mergeLowRank(
      weight, as: source, left: left.span.extracting(0..<rows * right.rank), right: right, rows: rows, scale: scale,
      into: &bytes, as: target)
  }

  /// Whether the result is the tensor and deltas, but for roundings.
  private static func isSum(_ update: TensorUpdate) -> Bool {
    update.decomposition == nil && update.stages.allSatisfy { $0.magnitude == nil }
  }

  /// The sums of squares down the columns of `W + delta`, W what the stages start from, added to `squares` for these rows.
  mutating func addColumnSquares(
    _ update: TensorUpdate, stage: Int, rows: Range<Int>, weight: RawSpan, _ source: ElementType,
    _ prepared: SharedFactors, to squares: inout ColumnSquares
  ) throws {
    try withStart(update, rows: rows, weight: weight, source, prepared) { worker, start in
      try worker.sumTerms(update, stage: stage, rows: rows, prepared)
      try Self.sum(start, source, worker.delta, into: &worker.sums, worker.kernels)
    }
    try squares.add(sums.span.extracting(0..<rows.count * update.columns), rows: rows.count, kernels)
  }

  /// Whether the update is one DoRA adapter, which is rescaled and rounded in one pass.
  private static func isOneRescaling(_ update: TensorUpdate) -> Bool {
    update.decomposition == nil && update.stages.count == 1 && update.stages[0].magnitude != nil
      && update.stages[0].intermediate == nil
  }

  // MARK: - What is taken out first

  /// Calls `body` with what the stages start from: these rows of the tensor, without what is taken out of it, rounded to
  /// its dtype.
  private mutating func withStart(
    _ update: TensorUpdate, rows: Range<Int>, weight: RawSpan, _ source: ElementType, _ prepared: SharedFactors,
    _ body: (inout Self, RawSpan) throws -> Void
  ) throws {
    guard update.decomposition != nil else { return try body(&self, weight) }
    guard let decomposition = prepared.decomposition else {
      throw MergeError(path: inputs.path(of: 0), tensor: nil, .inconsistentPlan("a residual was not prepared"))
    }
    let count = rows.count * update.columns
    delta.grow(to: count, filler: -0.0)
    remainder.grow(to: count * source.byteCount, filler: 0)
    try Self.subtract(
      decomposition, rows: rows, columns: update.columns, from: weight, source, &delta, &remainder, kernels)
    // Taken out while `body` changes the other buffers.
    var start: [UInt8] = []
    swap(&start, &remainder)
    try unsafe body(&self, start.span.extracting(0..<count * source.byteCount).bytes)
    swap(&start, &remainder)
  }

  private static func subtract(
    _ decomposition: DecompositionFactors, rows: Range<Int>, columns: Int, from weight: RawSpan, _ source: ElementType,
    _ delta: inout [Float], _ remainder: inout [UInt8], _ kernels: KernelSet
  ) throws {
    let rank = decomposition.right.rank
    var span = delta.mutableSpan
    try KernelSet.clear(&span, count: rows.count * columns)
    try kernels.addLowRank(
      to: &span, rowStride: columns,
      left: decomposition.left.span.extracting(rows.lowerBound * rank..<rows.upperBound * rank),
      right: decomposition.right, rows: rows.count, scale: -1)
    var bytes = remainder.mutableSpan
    _ = try kernels.combine(weight, as: source, with: delta.span, into: &bytes, as: source)
  }

  // MARK: - Stages

  /// The one stage of a DoRA adapter, into ``output``: the same bits as the stages one after another.
  private mutating func rescaleOnce(
    _ update: TensorUpdate, rows: Range<Int>, weight: RawSpan, _ source: ElementType, _ prepared: SharedFactors,
    _ target: ElementType
  ) throws -> UInt64 {
    try sumTerms(update, stage: 0, rows: rows, prepared)
    try Self.sum(weight, source, delta, into: &sums, kernels)
    try findFactors(update, 0, rows: rows, prepared)
    return try Self.rescale(
      weight, source, sums, factors, update.stages[0].magnitude?.axis ?? .rows, update.columns, into: &output, target,
      kernels)
  }

  /// The stages one after another in fp32, into ``value``.
  private mutating func runStages(
    _ update: TensorUpdate, rows: Range<Int>, weight: RawSpan, _ source: ElementType, _ prepared: SharedFactors
  ) throws {
    let count = rows.count * update.columns
    let isSum = Self.isSum(update)
    let last = update.stages.count - 1
    for (number, stage) in update.stages.enumerated() {
      try sumTerms(update, stage: number, rows: rows, prepared)
      if let intermediate = stage.intermediate {
        if let scaling = intermediate.scaling { try Self.scale(&delta, count: count, by: scaling, kernels) }
        if isSum { try comparison?.keep(delta: delta, count: count, stage: number, kernels) }
        if intermediate.roundsDelta {
          try Self.roundDelta(&delta, count: count, to: try inputs.elementType(intermediate.dtype), kernels)
        }
      }
      if let magnitude = stage.magnitude {
        try Self.sum(weight, source, delta, into: &sums, kernels)
        try findFactors(update, number, rows: rows, prepared)
        if number == 0 {
          swap(&value, &sums)
        } else {
          try Self.addInPlace(delta, count: count, to: &value, kernels)
        }
        encoded.grow(to: count * 4, filler: 0)
        _ = try Self.rescale(
          weight, source, value, factors, magnitude.axis, update.columns, into: &encoded, .f32, kernels)
        try Self.widen(bytes: encoded, as: .f32, count: count, into: &value, kernels)
      } else if number == 0 {
        try Self.sum(weight, source, delta, into: &value, kernels)
      } else {
        try Self.addInPlace(delta, count: count, to: &value, kernels)
      }
      if !isSum, number == last, stage.intermediate != nil { comparison?.keep(values: value, count: count) }
      if let intermediate = stage.intermediate {
        let type = try inputs.elementType(intermediate.dtype)
        encoded.grow(to: count * type.byteCount, filler: 0)
        try kernels.round(value, count: count, into: &encoded, as: type)
        try Self.widen(bytes: encoded, as: type, count: count, into: &value, kernels)
      }
    }
  }

  /// The factors m / n of one stage: for the rows at hand, or for all columns. `sums` holds `W + delta`.
  private mutating func findFactors(
    _ update: TensorUpdate, _ stage: Int, rows: Range<Int>, _ prepared: SharedFactors
  ) throws {
    guard let rescaling = prepared.rescalings[stage] else {
      throw MergeError(path: inputs.path(of: 0), tensor: nil, .inconsistentPlan("a magnitude was not prepared"))
    }
    if let columnNorms = rescaling.columnNorms {
      factors = rescaling.magnitudes
      try Self.divide(rescaling.magnitudes, columnNorms, into: &factors, kernels)
    } else {
      norms = [Float](repeating: 0, count: rows.count)
      let isPEFTs = update.stages[stage].intermediate != nil
      try Self.rowNorms(sums, rows: rows.count, columns: update.columns, asTorch: isPEFTs, into: &norms, kernels)
      factors = norms
      try Self.divide(Array(rescaling.magnitudes[rows]), norms, into: &factors, kernels)
    }
  }

  /// Sets the first elements of `delta` to the sum of a stage's terms in these rows; to -0 where there are none.
  private mutating func sumTerms(
    _ update: TensorUpdate, stage: Int, rows: Range<Int>, _ prepared: SharedFactors
  ) throws {
    let terms = stage < update.stages.count ? update.stages[stage].terms : []
    let packed = stage < prepared.factors.count ? prepared.factors[stage] : []
    try Self.sum(
      terms, packed, columns: update.columns, rows: rows, into: &delta, scratch: &widened, &raw, inputs, kernels)
  }

  private static func sum(
    _ terms: [DeltaTerm], _ factors: [PackedRight?], columns: Int, rows: Range<Int>, into delta: inout [Float],
    scratch: inout [Float], _ raw: inout [UInt8], _ inputs: InputFiles, _ kernels: KernelSet
  ) throws {
    let count = rows.count * columns
    delta.grow(to: count, filler: -0.0)
    var span = delta.mutableSpan
    try KernelSet.clear(&span, count: count)
    for (term, packed) in zip(terms, factors) {
      let shared = term.rows.clamped(to: rows)
      guard !shared.isEmpty else { continue }
      let offset = (shared.lowerBound - rows.lowerBound) * columns + term.columns.lowerBound
      let termRows = shared.lowerBound - term.rows.lowerBound..<shared.upperBound - term.rows.lowerBound
      switch term.kind {
      case .lowRank(let left, _):
        guard let packed else {
          throw MergeError(
            path: inputs.path(of: left.source.input), tensor: nil, .inconsistentPlan("a factor was not packed"))
        }
        try widen(left, rows: termRows, into: &scratch, &raw, inputs, kernels)
        if let diagonal = term.diagonal {
          var factors: [Float] = []
          try widen(diagonal, rows: 0..<1, into: &factors, &raw, inputs, kernels)
          for index in 0..<termRows.count * left.columns { scratch[index] *= factors[index % left.columns] }
        }
        try kernels.addLowRank(
          to: &span, at: offset, rowStride: columns,
          left: scratch.span.extracting(0..<termRows.count * left.columns), right: packed, rows: termRows.count,
          scale: term.scaling)
      case .scaled(let values):
        try widen(values, rows: termRows, into: &scratch, &raw, inputs, kernels)
        for row in 0..<termRows.count {
          let start = row * values.columns
          try kernels.addScaled(
            to: &span, at: offset + row * columns,
            values: scratch.span.extracting(start..<start + values.columns), scale: term.scaling)
        }
      }
    }
  }

  // MARK: - Rows that are written over

  /// Writes the replaced rows among `rows` over what was computed.
  private mutating func replaceRows(_ update: TensorUpdate, rows: Range<Int>, _ target: ElementType) throws {
    let rowByteCount = update.columns * target.byteCount
    for replacement in update.rowReplacements where rows.contains(replacement.row) {
      try Self.widen(replacement.values, rows: 0..<1, into: &widened, &raw, inputs, kernels)
      encoded.grow(to: rowByteCount, filler: 0)
      try kernels.round(widened, count: update.columns, into: &encoded, as: target)
      let start = (replacement.row - rows.lowerBound) * rowByteCount
      output.replaceSubrange(start..<start + rowByteCount, with: encoded[..<rowByteCount])
    }
  }

  // MARK: - Kernels on whole buffers
  // Functions of their own because a span of one buffer of the worker may not live while another is changed.

  private static func scale(_ delta: inout [Float], count: Int, by factor: Float, _ kernels: KernelSet) throws {
    var span = delta.mutableSpan
    try kernels.scale(&span, count: count, by: factor)
  }

  private static func roundDelta(
    _ delta: inout [Float], count: Int, to type: ElementType, _ kernels: KernelSet
  ) throws {
    var span = delta.mutableSpan
    try kernels.roundDelta(&span, count: count, to: type)
  }

  private static func sum(
    _ weight: RawSpan, _ source: ElementType, _ delta: [Float], into sums: inout [Float], _ kernels: KernelSet
  ) throws {
    sums.grow(to: weight.byteCount / source.byteCount, filler: 0)
    var span = sums.mutableSpan
    try kernels.sum(weight, as: source, with: delta.span, into: &span)
  }

  private static func addInPlace(
    _ delta: [Float], count: Int, to value: inout [Float], _ kernels: KernelSet
  ) throws {
    var span = value.mutableSpan
    try kernels.addPlain(to: &span, values: delta.span.extracting(0..<count))
  }

  private static func rowNorms(
    _ values: [Float], rows: Int, columns: Int, asTorch: Bool, into norms: inout [Float], _ kernels: KernelSet
  ) throws {
    let part = values.span.extracting(0..<rows * columns)
    var span = norms.mutableSpan
    if asTorch {
      try kernels.torchRowNorms(of: part, rows: rows, columns: columns, into: &span)
    } else {
      try kernels.rowNorms(of: part, rows: rows, columns: columns, into: &span)
    }
  }

  private static func divide(
    _ magnitudes: [Float], _ norms: [Float], into factors: inout [Float], _ kernels: KernelSet
  ) throws {
    var span = factors.mutableSpan
    try kernels.divide(magnitudes.span, by: norms.span, into: &span)
  }

  /// The values times their factors, the products rounded to fp32 and then to `target`.
  private static func rescale(
    _ weight: RawSpan, _ source: ElementType, _ value: [Float], _ factors: [Float],
    _ axis: TensorUpdate.Magnitude.Axis, _ columns: Int, into bytes: inout [UInt8], _ target: ElementType,
    _ kernels: KernelSet
  ) throws -> UInt64 {
    let count = weight.byteCount / source.byteCount
    let values = value.span.extracting(0..<count)
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    switch axis {
    case .rows:
      return try kernels.rescaleRows(
        weight, as: source, values: values, by: factors.span, columns: columns, into: &raw, as: target)
    case .columns:
      return try kernels.rescaleColumns(
        weight, as: source, values: values, by: factors.span, rows: count / max(columns, 1), into: &raw, as: target)
    }
  }

  /// Widens some rows of a factor to fp32 into the first elements of `buffer`, row after row.
  private static func widen(
    _ view: FactorView, rows: Range<Int>, into buffer: inout [Float], _ raw: inout [UInt8], _ inputs: InputFiles,
    _ kernels: KernelSet
  ) throws {
    let factor = try inputs.read(view, rows: rows, into: &raw)
    buffer.grow(to: rows.count * view.columns, filler: 0)
    var span = buffer.mutableSpan
    try unsafe kernels.packLeft(factor, in: raw.span.bytes, into: &span)
  }

  private static func widen(
    bytes: [UInt8], as type: ElementType, count: Int, into value: inout [Float], _ kernels: KernelSet
  ) throws {
    let part = bytes.span.extracting(0..<count * type.byteCount)
    var span = value.mutableSpan
    try unsafe kernels.widen(part.bytes, as: type, into: &span)
  }
}
