import Safetensors

/// Rows or columns that are mixed in pairs: RoAd.
///
/// They are cut into groups, whose first half is paired with the second: with x of the first half and y of the second
/// `x' = first.cosine * x - first.sine * y` and `y' = second.cosine * y + second.sine * x`.
public struct PairMixing<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// Scales and angles: a row for each group, and a column for each of its pairs.
  public struct Polar: Equatable, Sendable {
    public let scales: Operand
    public let angles: Operand

    public init(scales: Operand, angles: Operand) {
      self.scales = scales
      self.angles = angles
    }
  }

  /// What one half is mixed with.
  public struct Half: Equatable, Sendable {
    /// The scale times the cosine of the angle, which multiplies the half itself.
    public let cosine: Polar
    /// The scale times the sine of the angle, which multiplies the other half.
    public let sine: Polar

    public init(cosine: Polar, sine: Polar) {
      self.cosine = cosine
      self.sine = sine
    }
  }

  public let first: Half
  public let second: Half
  /// Rows or columns of a group, twice its pairs.
  public let groupSize: Int
  /// Whether rows are mixed, or columns.
  public let axis: Axis
  /// The dtype that the factors are rounded to, as PEFT does; nil: they are computed with in double.
  public let roundedTo: DType?

  public init(first: Half, second: Half, groupSize: Int, along axis: Axis, roundedTo: DType? = nil) {
    self.first = first
    self.second = second
    self.groupSize = groupSize
    self.axis = axis
    self.roundedTo = roundedTo
  }

  /// Every matrix that it reads.
  public var operands: [Operand] {
    [first.cosine, first.sine, second.cosine, second.sine].flatMap { [$0.scales, $0.angles] }
  }

  /// The same mixing of rows, or of columns.
  package func along(_ axis: Axis) -> PairMixing {
    PairMixing(first: first, second: second, groupSize: groupSize, along: axis, roundedTo: roundedTo)
  }

  /// The same mixing with rounded factors.
  package func rounded(to dtype: DType) -> PairMixing {
    PairMixing(first: first, second: second, groupSize: groupSize, along: axis, roundedTo: dtype)
  }

  /// The same mixing of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> PairMixing<Other> {
    PairMixing<Other>(
      first: try first.map(transform), second: try second.map(transform), groupSize: groupSize, along: axis,
      roundedTo: roundedTo)
  }
}

extension PairMixing.Half {
  fileprivate func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> PairMixing<Other>.Half {
    PairMixing<Other>.Half(cosine: try cosine.map(transform), sine: try sine.map(transform))
  }
}

extension PairMixing.Polar {
  fileprivate func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> PairMixing<Other>.Polar {
    PairMixing<Other>.Polar(scales: try transform(scales), angles: try transform(angles))
  }
}
