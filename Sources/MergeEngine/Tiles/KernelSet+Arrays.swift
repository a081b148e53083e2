import TileKernels

/// Kernels on arrays that live longer than a call: a span of one may not live while another is changed.
extension KernelSet {
  /// Sets the first `count` values to those that lie in `bytes`.
  func widen(
    _ bytes: [UInt8], as type: ElementType, count: Int, into values: inout [Float]
  ) throws(ShapeError) {
    let part = bytes.span.extracting(0..<count * type.byteCount)
    var span = values.mutableSpan
    try unsafe widen(part.bytes, as: type, into: &span)
  }

  /// The largest finite magnitude of each `block` values.
  func findMagnitudes(
    _ values: [Float], count: Int, block: Int, into magnitudes: inout [Float]
  ) throws(ShapeError) {
    var span = magnitudes.mutableSpan
    try quantizing.blockMagnitudes(values.span, count: count, block: block, into: &span)
  }

  /// Makes values what their codes of NF4 stand for.
  ///
  /// - Parameter codes: Gets a byte for each value; empty: it gets none.
  func throughNF4(
    _ values: inout [Float], count: Int, block: Int, magnitudes: [Float], scales: [Float], codes: inout [UInt8]
  ) throws(ShapeError) {
    let (bounds, numbers) = (Codebooks.nf4Bounds, Codebooks.nf4)
    var span = values.mutableSpan
    var output = codes.mutableSpan
    try quantizing.nf4RoundTrip(
      &span, count: count, block: block, bounds: bounds.span, numbers: numbers.span, magnitudes: magnitudes.span,
      scales: scales.span, codes: &output)
  }

  /// Rounds `count` values from `first` on to the nearest of a type.
  ///
  /// - Returns: How many finite values are infinite in the type.
  @discardableResult
  package func round(
    _ values: [Float], from first: Int = 0, count: Int, into bytes: inout [UInt8], as type: ElementType
  ) throws(ShapeError) -> UInt64 {
    let part = values.span.extracting(first..<first + count)
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    return try unsafe encode(part, for: part.bytes, as: .f32, into: &raw, as: type)
  }

  /// Adds a delta to the first `count` elements that lie in `weight`, and rounds the sums.
  func combine(
    _ weight: [UInt8], as weightType: ElementType, count: Int, with delta: [Float], into bytes: inout [UInt8],
    as type: ElementType
  ) throws(ShapeError) {
    let source = weight.span.extracting(0..<count * weightType.byteCount)
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    _ = try unsafe combine(source.bytes, as: weightType, with: delta.span, into: &raw, as: type)
  }

  /// Decodes codes of a byte, from the one at `first` on, with scales of blocks.
  ///
  /// - Parameter place: The element of the output that comes first.
  func decode(
    _ codes: [UInt8], from first: Int = 0, by table: [Float], _ blocks: CodeBlocks, _ block: (rows: Int, columns: Int),
    scales: [Float], zeros: [Float] = [], blockOfColumn: [UInt32] = [], factor: Float = 1, into output: inout [UInt8],
    at place: Int, as type: ElementType
  ) throws(ShapeError) {
    let source = unsafe codes.span.extracting(first..<first + blocks.rows * blocks.columns).bytes
    var span = output.mutableSpan
    var bytes = unsafe span.mutableBytes
    try decoding.bytes(
      source, by: table.span, blocks, blocks: block, scales: scales.span, zeros: zeros, blockOfColumn: blockOfColumn,
      factor: factor, into: &bytes, at: place, as: type)
  }
}
