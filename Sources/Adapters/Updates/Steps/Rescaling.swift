/// DoRA: `value = m / n * (value + delta)`, n the norms of `W + delta`, W being the tensor before every step but what
/// ``UpdateStep/subtract(_:)`` takes out of it.
///
/// Source: Liu et al., DoRA, arXiv:2402.09353, equation 5; for several adapters the behavior of PEFT 0.21.2.
public struct Rescaling<Operand: Equatable & Sendable>: Equatable, Sendable {
  public let addition: Addition<Operand>
  /// Along what the norms run: each row or each column has one.
  public let axis: Axis
  /// m: one row of as many values as the tensor has rows, columns or groups of ``columnsPerNorm`` columns.
  public let magnitudes: Operand
  public let norms: RescalingNorms
  /// Along columns, so many neighboring ones have one norm, over all their rows, and one magnitude: the positions of a
  /// convolution's kernel for an input channel. 1: each has its own.
  public let columnsPerNorm: Int

  public init(
    _ addition: Addition<Operand>, along axis: Axis, to magnitudes: Operand, norms: RescalingNorms = .exact,
    columnsPerNorm: Int = 1
  ) {
    self.addition = addition
    self.axis = axis
    self.magnitudes = magnitudes
    self.norms = norms
    self.columnsPerNorm = columnsPerNorm
  }

  /// The same rescaling of another delta.
  package func with(_ addition: Addition<Operand>) -> Rescaling {
    Rescaling(addition, along: axis, to: magnitudes, norms: norms, columnsPerNorm: columnsPerNorm)
  }

  /// The same rescaling of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Rescaling<Other> {
    Rescaling<Other>(
      try addition.map(transform), along: axis, to: try transform(magnitudes), norms: norms,
      columnsPerNorm: columnsPerNorm)
  }
}

/// The computation of the norms of a ``Rescaling``.
public enum RescalingNorms: Equatable, Sendable {
  /// From sums that are as good as exact, rounded once.
  case exact
  /// In fp32, in the order of torch on a CPU.
  case torch
}
