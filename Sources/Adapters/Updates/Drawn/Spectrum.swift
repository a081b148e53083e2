/// A matrix whose transform has values in few places, which a seed gives: the first numbers of a permutation of all places.
/// FourierFT, WaveFT.
public struct Spectrum<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// How the matrix follows from the values.
  public enum Transform: Equatable, Sendable {
    /// The real part of the inverse discrete Fourier transform.
    case fourier
    /// One level of the inverse wavelet transform, PEFT's, with this low-pass filter.
    case wavelet([Double])
    /// The values in their places.
    case none
  }

  /// One row.
  public let values: Operand
  /// Of torch's generator.
  public let seed: Int64
  public let transform: Transform
  public let rows: Int
  public let columns: Int
  /// Whether the matrix is the transposed one; ``rows`` and ``columns`` are those before.
  public let isTransposed: Bool

  public init(
    values: Operand, seed: Int64, _ transform: Transform, rows: Int, columns: Int, isTransposed: Bool = false
  ) {
    self.values = values
    self.seed = seed
    self.transform = transform
    self.rows = rows
    self.columns = columns
    self.isTransposed = isTransposed
  }

  /// The same matrix with rows and columns exchanged.
  package var transposed: Spectrum {
    Spectrum(
      values: values, seed: seed, transform, rows: rows, columns: columns, isTransposed: !isTransposed)
  }

  /// The same values as the transform of a matrix of other sizes.
  package func fitted(rows: Int, columns: Int) -> Spectrum {
    Spectrum(values: values, seed: seed, transform, rows: rows, columns: columns, isTransposed: isTransposed)
  }

  /// The same matrix of other operands.
  func map<Other, Failure: Error>(
    _ convert: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Spectrum<Other> {
    let mapped: Spectrum<Other>.Transform =
      switch transform {
      case .fourier: .fourier
      case .wavelet(let filter): .wavelet(filter)
      case .none: .none
      }
    return Spectrum<Other>(
      values: try convert(values), seed: seed, mapped, rows: rows, columns: columns, isTransposed: isTransposed)
  }
}
