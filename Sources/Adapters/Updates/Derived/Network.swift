/// `B X` with X what a network of small layers makes of each column of W: `x = f(A w)`, then `x = f(E_n x)` for each encoder,
/// then `x = f(D_n x) + y_n` for each decoder, y_n being what the encoders began with, the last one first.
///
/// `A W` is summed in fp32 over a few rows of W at a time (``WeightProducts``), and these sums in double; X is computed in double
/// and rounded to fp32.
///
/// Source: PEFT 0.21.2 `peanut.Linear._compute_delta_weight`.
public struct Network<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// A, (r, out).
  public let input: Operand
  /// Each (r, r), as many as ``decoders``.
  public let encoders: [Operand]
  public let decoders: [Operand]
  /// B, (out, r).
  public let output: Operand
  /// f.
  public let activation: Activation
  /// r.
  public let rank: Int

  /// - Parameters:
  ///   - input: A.
  ///   - encoders: The E_n.
  ///   - decoders: The D_n, as many.
  ///   - output: B.
  ///   - activation: f.
  ///   - rank: Rows of `input`.
  public init(
    input: Operand, encoders: [Operand], decoders: [Operand], output: Operand, activation: Activation, rank: Int
  ) {
    self.input = input
    self.encoders = encoders
    self.decoders = decoders
    self.output = output
    self.activation = activation
    self.rank = rank
  }

  /// Every matrix that it reads beside W.
  public var operands: [Operand] { [input] + encoders + decoders + [output] }

  /// The same of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Network<Other> {
    func mapped(_ operands: [Operand]) throws(Failure) -> [Other] {
      var result: [Other] = []
      for operand in operands { result.append(try transform(operand)) }
      return result
    }
    return Network<Other>(
      input: try transform(input), encoders: try mapped(encoders), decoders: try mapped(decoders),
      output: try transform(output), activation: activation, rank: rank)
  }
}
