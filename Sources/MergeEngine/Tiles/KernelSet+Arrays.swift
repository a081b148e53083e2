import TileKernels

/// Kernels on arrays that live longer than a call: a span of one may not live while another is changed.
extension KernelSet {
  /// The largest finite magnitude of each `block` values.
  func findMagnitudes(
    _ values: [Float], count: Int, block: Int, into magnitudes: inout [Float]
  ) throws(ShapeError) {
    var span = magnitudes.mutableSpan
    try blockMagnitudes(values.span, count: count, block: block, into: &span)
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
    try nf4RoundTrip(
      &span, count: count, block: block, bounds: bounds.span, numbers: numbers.span, magnitudes: magnitudes.span,
      scales: scales.span, codes: &output)
  }

  /// Rounds `count` values from `first` on to the nearest of a type.
  func round(
    _ values: [Float], from first: Int = 0, count: Int, into bytes: inout [UInt8], as type: ElementType
  ) throws(ShapeError) {
    let part = values.span.extracting(first..<first + count)
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    _ = try unsafe encode(part, for: part.bytes, as: .f32, into: &raw, as: type)
  }
}
