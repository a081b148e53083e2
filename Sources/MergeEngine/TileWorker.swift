import MergePlanning
import Safetensors
import TileKernels

/// One worker's buffers and the pipeline that runs in them: decode, delta, combine, encode.
struct TileWorker: ~Copyable {
  private let kernels: KernelSet
  private let inputs: InputMaps
  private var delta: [Float] = []
  private var widened: [Float] = []
  private var replaced: [UInt8] = []
  private(set) var output: [UInt8] = []

  init(kernels: KernelSet, inputs: InputMaps) {
    self.kernels = kernels
    self.inputs = inputs
  }

  /// Computes `rows` of a tensor into the first bytes of ``output``; returns how many bytes they are.
  ///
  /// - Parameters:
  ///   - weight: The bytes of these rows in the base.
  ///   - factors: The packed right factor of each term that has one.
  /// - Throws: ``MergeError`` if a finite element would become infinite or NaN.
  mutating func compute(
    _ tensor: MergePlan.Tensor, _ update: TensorUpdate, rows: Range<Int>, weight: RawSpan, factors: [PackedRight?]
  ) throws -> Int {
    guard let sourceType = tensor.source.dtype.elementType, let outputType = tensor.outputDType.elementType else {
      throw MergeError(
        path: inputs.path(of: tensor.source.input), tensor: tensor.name,
        .inconsistentPlan("\(tensor.source.dtype.name) is not computed on"))
    }
    let count = rows.count * update.columns
    Self.grow(&output, to: count * outputType.byteCount, filler: 0)
    try Self.sum(update, rows: rows, factors, into: &delta, scratch: &widened, inputs, kernels)
    let nonFinite = try Self.encode(weight, sourceType, delta, into: &output, outputType, kernels)
    try replaceRows(update, rows: rows, outputType)
    guard nonFinite == 0 else {
      throw MergeError(
        path: inputs.path(of: tensor.source.input), tensor: tensor.name,
        .nonFinite(count: nonFinite, rows: rows, dtype: tensor.outputDType))
    }
    return count * outputType.byteCount
  }

  /// Sets the first elements of `delta` to the sum of the update's terms in these rows.
  private static func sum(
    _ update: TensorUpdate, rows: Range<Int>, _ factors: [PackedRight?], into delta: inout [Float],
    scratch: inout [Float], _ inputs: InputMaps, _ kernels: KernelSet
  ) throws {
    let count = rows.count * update.columns
    grow(&delta, to: count, filler: -0.0)
    var span = delta.mutableSpan
    try KernelSet.clear(&span, count: count)
    for (term, packed) in zip(update.terms, factors) {
      let shared = term.rows.clamped(to: rows)
      guard !shared.isEmpty else { continue }
      let offset = (shared.lowerBound - rows.lowerBound) * update.columns + term.columns.lowerBound
      let termRows = shared.lowerBound - term.rows.lowerBound..<shared.upperBound - term.rows.lowerBound
      switch term.kind {
      case .lowRank(let left, _):
        guard let packed else {
          throw MergeError(
            path: inputs.path(of: left.source.input), tensor: nil, .inconsistentPlan("a factor was not packed"))
        }
        try widen(left, rows: termRows, into: &scratch, inputs, kernels)
        try kernels.addLowRank(
          to: &span, at: offset, rowStride: update.columns,
          left: scratch.span.extracting(0..<termRows.count * left.columns), right: packed, rows: termRows.count,
          scale: term.scaling)
      case .scaled(let values):
        try widen(values, rows: termRows, into: &scratch, inputs, kernels)
        for row in 0..<termRows.count {
          let start = row * values.columns
          try kernels.addScaled(
            to: &span, at: offset + row * update.columns,
            values: scratch.span.extracting(start..<start + values.columns), scale: term.scaling)
        }
      }
    }
  }

  /// Writes the replaced rows among `rows` over what was computed.
  private mutating func replaceRows(_ update: TensorUpdate, rows: Range<Int>, _ outputType: ElementType) throws {
    let rowByteCount = update.columns * outputType.byteCount
    for replacement in update.rowReplacements where rows.contains(replacement.row) {
      try Self.widen(replacement.values, rows: 0..<1, into: &widened, inputs, kernels)
      Self.grow(&replaced, to: rowByteCount, filler: 0)
      try Self.encode(widened, count: update.columns, into: &replaced, outputType, kernels)
      let start = (replacement.row - rows.lowerBound) * rowByteCount
      output.replaceSubrange(start..<start + rowByteCount, with: replaced[..<rowByteCount])
    }
  }

  /// Rounds `count` values as they are.
  private static func encode(
    _ values: [Float], count: Int, into output: inout [UInt8], _ outputType: ElementType, _ kernels: KernelSet
  ) throws {
    let nothing = [Float](repeating: -0.0, count: count)
    var span = output.mutableSpan
    let bytes = values.span.extracting(0..<count)
    _ = try unsafe kernels.combine(bytes.bytes, as: .f32, with: nothing.span, into: &span, as: outputType)
  }

  private static func encode(
    _ weight: RawSpan, _ sourceType: ElementType, _ delta: [Float], into output: inout [UInt8],
    _ outputType: ElementType, _ kernels: KernelSet
  ) throws -> UInt64 {
    var span = output.mutableSpan
    return try kernels.combine(weight, as: sourceType, with: delta.span, into: &span, as: outputType)
  }

  /// Widens some rows of a factor to fp32 into the first elements of `buffer`, row after row.
  private static func widen(
    _ view: FactorView, rows: Range<Int>, into buffer: inout [Float], _ inputs: InputMaps, _ kernels: KernelSet
  ) throws {
    let factor = try inputs.stridedFactor(view).rows(rows)
    grow(&buffer, to: rows.count * view.columns, filler: 0)
    var span = buffer.mutableSpan
    try inputs.withBytes(of: view) { try kernels.packLeft(factor, in: $0, into: &span) }
  }

  private static func grow<Element>(_ buffer: inout [Element], to count: Int, filler: Element) {
    if buffer.count < count { buffer = Array(repeating: filler, count: count) }
  }
}
