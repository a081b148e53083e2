import CTileKernels

/// The loops of a merge, compiled for one instruction set and chosen at run time.
///
/// Every set gives the same bits: the arithmetic is IEEE 754 in a fixed order, whatever rounding mode or flushing of
/// subnormals the calling thread has set. Operations work on the first elements of buffers that may be longer, so that a
/// worker can keep its buffers from tile to tile; they check all sizes before they write.
@safe
public struct KernelSet: Sendable {
  /// For the operations of this target only.
  nonisolated(unsafe) let table: OpaquePointer  // static and constant

  /// `avx512bf16`, `avx512`, `avx2`, `neon` or `portable`.
  public let name: String

  private init(table: OpaquePointer) {
    unsafe self.table = table
    self.name = unsafe String(cString: smk_kernels_name(table))
  }

  /// Every set that this machine can run, fastest first. The portable set is always the last.
  public static let available: [KernelSet] = {
    var sets: [KernelSet] = []
    while let table = unsafe smk_kernels_at(sets.count) { unsafe sets.append(KernelSet(table: table)) }
    return sets
  }()

  /// The fastest set that this machine can run.
  public static var best: KernelSet { available[0] }

  public static func named(_ name: String) throws(KernelSelectionError) -> KernelSet {
    if let set = available.first(where: { $0.name == name }) { return set }
    var availability = SMK_UNKNOWN_NAME
    _ = unsafe smk_kernels_named(name, &availability)
    let names = available.map(\.name)
    if availability == SMK_CANNOT_RUN { throw .cannotRun(name: name, available: names) }
    throw .unknown(name: name, available: names)
  }
}

extension KernelSet {
  /// Products with blocks along a diagonal.
  public var blocks: BlockKernels { BlockKernels(kernels: self) }
  /// Norms of rows and columns.
  public var norms: NormKernels { NormKernels(kernels: self) }
  /// Rows and columns times factors.
  public var rescaling: RescalingKernels { RescalingKernels(kernels: self) }
  /// Dequantization.
  public var decoding: DecodingKernels { DecodingKernels(kernels: self) }
  /// Quantization.
  public var quantizing: QuantizationKernels { QuantizationKernels(kernels: self) }
  /// Products multiplied element by element.
  public var products: ProductKernels { ProductKernels(kernels: self) }
  /// Rounding at random.
  public var stochastic: StochasticKernels { StochasticKernels(kernels: self) }
}

// MARK: - Operations

extension KernelSet {
  /// Widens the elements of `source` to fp32, exactly, into the first elements of `destination`.
  ///
  /// A signalling f16 NaN becomes quiet; f32 and bf16 keep every bit.
  ///
  /// - Returns: The number of elements.
  /// - Throws: ``ShapeError`` if `source` is not whole elements or `destination` is too short.
  @discardableResult
  public func widen(
    _ source: RawSpan, as type: ElementType, into destination: inout MutableSpan<Float>
  ) throws(ShapeError) -> Int {
    let count = source.byteCount / type.byteCount
    try require(.source, source.byteCount, exactly: count * type.byteCount)
    try require(.destination, destination.count, atLeast: count)
    unsafe source.withUnsafeBytes { from in
      unsafe destination.withUnsafeMutableBufferPointer { to in
        guard let from = from.baseAddress, let to = to.baseAddress else { return }
        unsafe smk_widen(table, type.code, from, count, to)
      }
    }
    return count
  }

  /// Starts a delta tile: sets `count` of its elements to -0, those from `first` on.
  ///
  /// -0 is what addition leaves unchanged: `-0 + x` is x for every x, +0 and -0 included.
  ///
  /// - Throws: ``ShapeError`` if `delta` is too short.
  public static func clear(
    _ delta: inout MutableSpan<Float>, from first: Int = 0, count: Int
  ) throws(ShapeError) {
    try requireNotNegative("first", first)
    try requireNotNegative("count", count)
    let end = try extent(of: .delta, offset: first, rows: 1, rowStride: 0, columns: count)
    try require(.delta, delta.count, atLeast: end)
    guard count > 0 else { return }
    unsafe delta.withUnsafeMutableBufferPointer { delta in
      unsafe delta[first..<end].update(repeating: -0.0)
    }
  }

  /// Adds a scaled low-rank product to a delta tile.
  ///
  /// `delta[m, n] += scale * sum over k of left[m, k] * right[k, n]`, all in fp32: the sum starts at +0 and is a chain of
  /// fused multiply-adds in the order of k; the multiplication by `scale` and the addition to `delta` round once each.
  /// The sign and payload of a NaN in `delta` are not specified; ``combine(_:as:with:into:as:)`` writes neither.
  /// Source: Hu et al., LoRA, arXiv:2106.09685, section 4.1.
  ///
  /// - Parameters:
  ///   - delta: Element (m, n) is element `offset + m * rowStride + n`, n counting from the first column of the factor
  ///     even if `right` holds only some of its panels.
  ///   - offset: The element at which the update starts, for an update of a part of the tile.
  ///   - rowStride: `nil` for the columns of the right factor.
  ///   - left: `rows` x rank values, row-major.
  ///   - right: The right factor.
  ///   - scale: alpha / r, or alpha / sqrt(r), times the weight of the adapter; no unit.
  /// - Throws: ``ShapeError`` if a span is too short or the rows overlap.
  public func addLowRank(
    to delta: inout MutableSpan<Float>, at offset: Int = 0, rowStride: Int? = nil, left: Span<Float>,
    right: PackedRight, rows: Int, scale: Float
  ) throws(ShapeError) {
    let stride = rowStride ?? right.factorColumns
    try requireNotNegative("rows", rows)
    try requireNotNegative("offset", offset)
    guard stride >= right.factorColumns else { throw .rowsOverlap(stride: stride, columns: right.factorColumns) }
    try require(.left, left.count, exactly: try product(rows, right.rank, of: .left))
    guard rows > 0, !right.columns.isEmpty else { return }
    let (firstElement, overflow) = offset.addingReportingOverflow(right.columns.lowerBound)
    if overflow { throw .overflow(.delta) }
    let needed = try extent(
      of: .delta, offset: firstElement, rows: rows, rowStride: stride, columns: right.columns.count)
    try require(.delta, delta.count, atLeast: needed)
    // With rank 0 the factors are empty and are not read, but 0 * scale is added all the same.
    unsafe delta.withUnsafeMutableBufferPointer { delta in
      unsafe left.withUnsafeBufferPointer { left in
        unsafe right.elements.withUnsafeBufferPointer { packed in
          guard let delta = delta.baseAddress else { return }
          unsafe Self.withScratch(rows: rows, rank: right.rank) { scratch in
            unsafe smk_add_low_rank(
              table, delta + firstElement, stride, left.baseAddress, packed.baseAddress, rows, right.columns.count,
              right.rank, scale, scratch)
          }
        }
      }
    }
  }

  /// Merges one low-rank product with the weights of whole rows, in one pass:
  /// `output[m, n] = round to nearest even(weight[m, n] + scale * sum over k of left[m, k] * right[k, n])`.
  ///
  /// The same bits and the same number as ``clear(_:count:)``, ``addLowRank(to:at:rowStride:left:right:rows:scale:)`` and
  /// ``combine(_:as:with:into:as:)`` one after another, without a delta in memory.
  ///
  /// - Parameters:
  ///   - weight: `rows` x columns elements of the base, row-major.
  ///   - left: `rows` x rank values, row-major.
  ///   - right: The whole right factor.
  ///   - scale: alpha / r, or alpha / sqrt(r), times the weight of the adapter; no unit.
  ///   - output: At least as many elements; the bytes after them are left alone.
  /// - Returns: How many weights are finite but have an output that is infinite or NaN.
  /// - Throws: ``ShapeError`` if `weight` or `left` has another size, `right` lacks panels, or `output` is too short.
  public func mergeLowRank(
    _ weight: RawSpan, as weightType: ElementType, left: Span<Float>, right: PackedRight, rows: Int, scale: Float,
    into output: inout MutableRawSpan, as outputType: ElementType
  ) throws(ShapeError) -> UInt64 {
    try requireNotNegative("rows", rows)
    let columns = right.factorColumns
    guard right.columns == 0..<columns else { throw .outOfRange("panel columns", right.columns, count: columns) }
    let count = try product(rows, columns, of: .weight)
    try require(.weight, weight.byteCount, exactly: try product(count, weightType.byteCount, of: .weight))
    try require(.left, left.count, exactly: try product(rows, right.rank, of: .left))
    try require(.output, output.byteCount, atLeast: try product(count, outputType.byteCount, of: .output))
    guard count > 0 else { return 0 }
    return unsafe weight.withUnsafeBytes { weight in
      unsafe output.withUnsafeMutableBytes { output in
        unsafe left.withUnsafeBufferPointer { left in
          unsafe right.elements.withUnsafeBufferPointer { packed in
            unsafe Self.withScratch(rows: rows, rank: right.rank) { scratch in
              unsafe smk_merge_low_rank(
                table, weightType.code, weight.baseAddress, left.baseAddress, packed.baseAddress, outputType.code,
                output.baseAddress, rows, columns, right.rank, scale, scratch)
            }
          }
        }
      }
    }
  }

  /// The memory that a product of this many rows takes while it runs, in bytes.
  public static func scratchByteCount(rows: Int, rank: Int) -> Int {
    min(rows, Int(SMK_ROW_STEP)) * rank * MemoryLayout<Float>.stride
  }

  static func withScratch<Result>(
    rows: Int, rank: Int, _ body: (UnsafeMutablePointer<Float>?) -> Result
  ) -> Result {
    unsafe withUnsafeTemporaryAllocation(
      byteCount: scratchByteCount(rows: rows, rank: rank), alignment: 64
    ) { unsafe body($0.baseAddress?.assumingMemoryBound(to: Float.self)) }
  }

  /// Adds scaled values to a delta tile: `delta[offset + i] += scale * values[i]`, in fp32, the multiplication and the
  /// addition rounding once each.
  ///
  /// - Throws: ``ShapeError`` if `delta` is too short.
  public func addScaled(
    to delta: inout MutableSpan<Float>, at offset: Int = 0, values: Span<Float>, scale: Float
  ) throws(ShapeError) {
    try requireNotNegative("offset", offset)
    let needed = try extent(of: .delta, offset: offset, rows: 1, rowStride: 0, columns: values.count)
    try require(.delta, delta.count, atLeast: needed)
    unsafe delta.withUnsafeMutableBufferPointer { delta in
      unsafe values.withUnsafeBufferPointer { values in
        guard let delta = delta.baseAddress, let start = values.baseAddress else { return }
        unsafe smk_add_scaled(table, delta + offset, start, values.count, scale)
      }
    }
  }

  /// Adds a delta tile to the weights and rounds: `output[i] = round to nearest even(weight[i] + delta[i])`, the sum in
  /// fp32, then one rounding to the type of the output.
  ///
  /// A weight that is a NaN stays that NaN, made quiet, with as much of its payload as the output type holds. Any other
  /// NaN is written as the positive quiet NaN without payload. Where `delta` is -0 and the type stays, the bytes stay,
  /// signalling NaN apart.
  ///
  /// - Parameters:
  ///   - weight: The elements of the base; their number is the number of elements computed.
  ///   - delta: At least as many elements.
  ///   - output: At least as many elements; the bytes before and after them are left alone.
  ///   - place: The element of the output that comes first.
  /// - Returns: How many weights are finite but have an output that is infinite or NaN.
  /// - Throws: ``ShapeError`` if `weight` is not whole elements, or `delta` or `output` is too short.
  public func combine(
    _ weight: RawSpan, as weightType: ElementType, with delta: Span<Float>, into output: inout MutableRawSpan,
    at place: Int = 0, as outputType: ElementType
  ) throws(ShapeError) -> UInt64 {
    let count = weight.byteCount / weightType.byteCount
    try require(.weight, weight.byteCount, exactly: count * weightType.byteCount)
    try require(.delta, delta.count, atLeast: count)
    try requireNotNegative("place", place)
    let needed = try extent(of: .output, offset: place, rows: 1, rowStride: 0, columns: count)
    try require(.output, output.byteCount, atLeast: try product(needed, outputType.byteCount, of: .output))
    return unsafe weight.withUnsafeBytes { weight in
      unsafe delta.withUnsafeBufferPointer { delta in
        unsafe output.withUnsafeMutableBytes { output in
          guard let weight = weight.baseAddress, let delta = delta.baseAddress, let output = output.baseAddress
          else { return 0 }
          let first = unsafe output + place * outputType.byteCount
          return unsafe smk_combine(table, weightType.code, weight, delta, outputType.code, first, count)
        }
      }
    }
  }

  /// The same into an array's bytes.
  public func combine(
    _ weight: RawSpan, as weightType: ElementType, with delta: Span<Float>, into output: inout MutableSpan<UInt8>,
    as outputType: ElementType
  ) throws(ShapeError) -> UInt64 {
    var bytes = unsafe output.mutableBytes
    return try combine(weight, as: weightType, with: delta, into: &bytes, as: outputType)
  }

  /// Widens a left factor (its rows are m, its columns k) to fp32, row-major, into the first elements of `packed`.
  ///
  /// Use ``StridedFactor/rows(_:)`` to prepare the rows of one tile only.
  ///
  /// - Throws: ``ShapeError`` if `bytes` does not hold the factor or `packed` is too short.
  public func packLeft(
    _ factor: StridedFactor, in bytes: RawSpan, into packed: inout MutableSpan<Float>
  ) throws(ShapeError) {
    try require(.factor, bytes.byteCount, atLeast: factor.neededByteCount)
    let count = try product(factor.rows, factor.columns, of: .packed)
    try require(.packed, packed.count, atLeast: count)
    guard count > 0 else { return }
    unsafe bytes.withUnsafeBytes { bytes in
      unsafe packed.withUnsafeMutableBufferPointer { packed in
        guard let bytes = bytes.baseAddress, let packed = packed.baseAddress else { return }
        unsafe smk_pack_left(
          table, factor.elementType.code, bytes + factor.byteOffset, factor.rowStride, factor.columnStride,
          factor.rows, factor.columns, packed)
      }
    }
  }

  func packedRight(_ factor: StridedFactor, in bytes: RawSpan, panels: Range<Int>) throws(ShapeError) -> [Float] {
    let all = PackedRight.panelCount(columns: factor.columns)
    guard panels.lowerBound >= 0, panels.upperBound <= all else {
      throw .outOfRange("panels", panels, count: all)
    }
    try require(.factor, bytes.byteCount, atLeast: factor.neededByteCount)
    let count = try product(
      try product(panels.count, PackedRight.panelColumns, of: .packed), factor.rows, of: .packed)
    _ = try product(count, MemoryLayout<Float>.stride, of: .packed)
    guard count > 0 else { return [] }
    return unsafe bytes.withUnsafeBytes { bytes in
      unsafe [Float](unsafeUninitializedCapacity: count) { packed, initializedCount in
        guard let bytes = bytes.baseAddress, let packed = packed.baseAddress else { return }
        unsafe smk_pack_right(
          table, factor.elementType.code, bytes + factor.byteOffset, factor.rowStride, factor.columnStride,
          factor.rows, factor.columns, panels.lowerBound, panels.count, packed)
        initializedCount = count
      }
    }
  }
}

extension ElementType {
  var code: smk_dtype {
    switch self {
    case .f32: SMK_F32
    case .f16: SMK_F16
    case .bf16: SMK_BF16
    }
  }
}

extension StridedFactor {
  fileprivate var byteOffset: Int { elementOffset * elementType.byteCount }
}
