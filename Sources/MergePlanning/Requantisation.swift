import Safetensors

/// How a merged weight is written in the base's own format again: codes of E4M3, with a scale for each block.
///
/// With m the largest finite magnitude in a block of the merged weight, in fp32, each operation rounded:
///
/// - ``Rule/reciprocal``: `f = (1 / m) * 448`, the scale is `1 / f`, a code the number of E4M3 next to `value * f`;
/// - ``Rule/quotient``: the scale is `m / 448`, a code the number next to `value / scale`.
///
/// Scales are rounded to their dtype, halves to even, before they are used; of the first rule only where they are not F32,
/// with `f = 1 / scale` then. Codes are rounded halves to even and stop at 448. A block of zeros has the scale 1.
public struct Requantisation: Sendable, Equatable {
  public enum Rule: Sendable, Equatable {
    /// Source: transformers 5.24 `Fp8Quantize`; fbgemm `quantize_fp8_per_row`.
    case reciprocal
    /// Source: compressed-tensors 0.20.0 `calculate_qparams` and `quantize`.
    case quotient
  }

  /// Which tensor of the result it is.
  public enum Part: Sendable, Equatable { case codes, scales }

  public let rule: Rule
  /// Whether a scale is the next power of two that is not smaller. Source: transformers 5.24 `Fp8Quantize`, `ue8m0`.
  public let isPowerOfTwo: Bool
  public let grid: QuantisedWeight.Grid
  public let part: Part

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
  public var hasLargeBands: Bool { min(grid.blockRows, grid.rows) > Self.largestBandRowCount }

  private static let largestBandRowCount = 256
}
