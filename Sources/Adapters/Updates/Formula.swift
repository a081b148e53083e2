/// How a matrix follows from the matrices of an adapter.
///
/// The engine and the check each have one switch that computes it.
public indirect enum Formula<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// The matrix itself.
  case matrix(Operand)
  /// `left . right`: `left` is rows x rank, `right` rank x columns; the sum runs over the rank in order. The columns of
  /// `left` are multiplied by `diagonal`, one row of the rank's length, in fp32 before; nil: by nothing.
  case product(left: Operand, right: Operand, diagonal: Operand? = nil)
  /// A convolution's weight by a decomposition of Tucker's kind: element (m, n * K + k) is the sum over i and j of
  /// `left[m, i] * core[i, j * K + k] * right[j, n]`, K being the positions of the kernel, `core.columns / right.rows`.
  /// `core . right` is computed in double and rounded to fp32; the product with `left` is an ordinary one.
  case tucker(left: Operand, core: Operand, right: Operand)
  /// Two matrices of one shape multiplied element by element: LoHa.
  case hadamard(Formula, Formula)

  /// The matrices that it reads.
  public var operands: [Operand] {
    switch self {
    case .matrix(let values): [values]
    case .product(let left, let right, let diagonal): [left, right] + [diagonal].compactMap { $0 }
    case .tucker(let left, let core, let right): [left, core, right]
    case .hadamard(let one, let other): one.operands + other.operands
    }
  }

  /// Whether it is made of products of factors, and not the values themselves.
  package var isProduct: Bool {
    switch self {
    case .matrix: false
    case .product, .tucker, .hadamard: true
    }
  }

  /// The same formula of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Formula<Other> {
    switch self {
    case .matrix(let values): return .matrix(try transform(values))
    case .product(let left, let right, let diagonal):
      let (left, right) = (try transform(left), try transform(right))
      guard let diagonal else { return .product(left: left, right: right) }
      return .product(left: left, right: right, diagonal: try transform(diagonal))
    case .tucker(let left, let core, let right):
      return .tucker(left: try transform(left), core: try transform(core), right: try transform(right))
    case .hadamard(let one, let other): return .hadamard(try one.map(transform), try other.map(transform))
    }
  }
}
