import Safetensors

/// The requantization of a merged weight to the base's format: codes of E4M3, with a scale for each block.
///
/// With m the largest finite magnitude in a block of the merged weight, in fp32, each operation rounded:
///
/// - ``Rule/reciprocal``: `f = (1 / m) * 448`, the scale is `1 / f`, a code the number of E4M3 next to `value * f`;
/// - ``Rule/quotient``: the scale is `m / 448`, a code the number next to `value / scale`.
///
/// Scales are rounded to their dtype, halves to even, before they are used; of the first rule only where they are not F32,
/// with `f = 1 / scale` then. Codes are rounded halves to even and stop at 448. A block of zeros has the scale 1.
public struct Requantization: Sendable, Equatable {
  public enum Rule: Sendable, Equatable {
    /// Source: transformers 5.24 `Fp8Quantize`; fbgemm `quantize_fp8_per_row`.
    case reciprocal
    /// Source: compressed-tensors 0.20.0 `calculate_qparams` and `quantize`; ComfyUI's QUANTIZATION.md.
    case quotient
    /// The code is the number next to the value; there are no scales.
    case unscaled
  }

  /// The part of the weight that a tensor holds.
  public enum Part: Sendable, Equatable { case codes, scales, nestedScales }

  /// NF4 of bitsandbytes: two codes a byte, and a scale for so many elements of the flat weight.
  ///
  /// A scale is the largest magnitude of its elements, a code the number of midpoints between the 16 numbers that are below
  /// `value * (1 / scale)`. Nested scales are codes of 8 bits about the base's own mean, with a scale for so many of them.
  /// Source: bitsandbytes 0.50.2 `quantize_4bit`, which takes a new mean.
  public struct NF4Layout: Sendable, Equatable {
    public let block: Int
    public let nested: QuantizedWeight.Nested?
  }

  public let rule: Rule
  /// Whether a scale is the next power of two that is not smaller. Source: transformers 5.24 `Fp8Quantize`, `ue8m0`.
  public let isPowerOfTwo: Bool
  public let grid: QuantizedWeight.Grid
  public let part: Part
  /// Of the scales of the codes.
  public let scaleDType: DType
  /// Codes of half a byte, whose bands are as many rows as hold whole blocks, of nested scales too; nil: codes of E4M3.
  public let nibbles: NF4Layout?

  init(
    rule: Rule, isPowerOfTwo: Bool = false, grid: QuantizedWeight.Grid, part: Part, scaleDType: DType,
    nibbles: NF4Layout? = nil
  ) {
    self.rule = rule
    self.isPowerOfTwo = isPowerOfTwo
    self.grid = grid
    self.part = part
    self.scaleDType = scaleDType
    self.nibbles = nibbles
  }

  /// The same, of another part.
  func of(_ part: Part) -> Requantization {
    Requantization(
      rule: rule, isPowerOfTwo: isPowerOfTwo, grid: grid, part: part, scaleDType: scaleDType, nibbles: nibbles)
  }

  /// The bytes that some bands have in the tensor of the result, counted from its start.
  ///
  /// - Parameters:
  ///   - bands: Counted from the tensor's start.
  ///   - elementByteCount: Of a scale.
  public func byteRange(ofBands bands: Range<Int>, elementByteCount: Int) -> Range<Int> {
    let elements =
      firstRow(ofBand: bands.lowerBound) * grid.columns..<firstRow(ofBand: bands.upperBound) * grid.columns
    guard let nibbles else {
      if part == .codes { return elements }
      let band = grid.scaleColumns * elementByteCount
      return bands.lowerBound * band..<bands.upperBound * band
    }
    func quotients(_ size: Int) -> Range<Int> { elements.lowerBound / size..<(elements.upperBound + size - 1) / size }
    switch part {
    case .codes: return quotients(2)
    case .scales:
      let scales = quotients(nibbles.block)
      return scales.lowerBound * elementByteCount..<scales.upperBound * elementByteCount
    case .nestedScales:
      let scales = quotients(nibbles.block * (nibbles.nested?.block ?? 1))
      return scales.lowerBound * elementByteCount..<scales.upperBound * elementByteCount
    }
  }

  /// Rows of blocks of a stack of matrices that has so many rows: bands.
  public func bandCount(rows: Int) -> Int { grid.rows == 0 ? 0 : rows / grid.rows * grid.scaleRows }

  /// The first row of a band, in the stack.
  public func firstRow(ofBand band: Int) -> Int {
    guard grid.scaleRows > 0 else { return 0 }
    let (matrix, inner) = band.quotientAndRemainder(dividingBy: grid.scaleRows)
    return matrix * grid.rows + inner * grid.blockRows
  }

  /// The band that a row is in.
  public func band(ofRow row: Int) -> Int {
    let (matrix, inner) = row.quotientAndRemainder(dividingBy: grid.rows)
    return matrix * grid.scaleRows + inner / grid.blockRows
  }

  /// Whether a band has so many rows that they are not held at once: its scales take a pass over the tensor.
  public var hasLargeBands: Bool { nibbles == nil && min(grid.blockRows, grid.rows) > Self.largestBandRowCount }

  private static let largestBandRowCount = 256
}
