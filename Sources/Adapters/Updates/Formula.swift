import Safetensors

/// How a matrix follows from the matrices of an adapter.
///
/// The engine and the check each have one switch that computes it.
public indirect enum Formula<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// The matrix itself.
  case matrix(Operand)
  /// `left . right`: `left` is rows x rank, `right` rank x columns; the sum runs over the rank in order. The columns of
  /// `left` are multiplied by `diagonal`, one row of the rank's length, in fp32 before; nil: by nothing.
  case product(left: Operand, right: Operand, diagonal: Operand? = nil)
  /// The same product of matrices that are themselves computed, each rounded to fp32 before: AdaLoRA.
  case composed(left: Formula, right: Formula)
  /// A convolution's weight by a decomposition of Tucker's kind: element (m, n * K + k) is the sum over i and j of
  /// `left[m, i] * core[i, j * K + k] * right[j, n]`, K being the positions of the kernel, `core.columns / right.rows`.
  /// `core . right` is computed in double and rounded to fp32; the product with `left` is an ordinary one.
  case tucker(left: Operand, core: Operand, right: Operand)
  /// Two matrices of one shape multiplied element by element: LoHa.
  case hadamard(Formula, Formula)
  /// The Kronecker product, each element of one matrix times all of the other: LoKr. With p rows and q columns of `inner`,
  /// and `kernel` positions K that are the last index of the columns of `outer`, element (m, (a * q + b) * K + k) is
  /// `outer[m / p, a * K + k] * inner[m % p, b]`. K is 1 but for a Conv1d of PEFT.
  case kronecker(outer: Formula, inner: Formula, kernel: Int = 1)

  /// A matrix of so many rows and columns that repeats another one downwards and to the right: MiSS.
  case repeated(Formula, rows: Int, columns: Int)
  /// A matrix of so many rows and columns with `values`, one row, in the places that the two rows of `places` say, the row
  /// of each and its column, and zeros elsewhere: SHiRA.
  case scattered(values: Operand, places: Operand, rows: Int, columns: Int)
  /// A product whose terms of rank one have norms that sum up to a bound: `left . diag(b / (r n)) . right`, r being the rank, b
  /// the element of `bound`, and n the norm of a column of `left` times that of a row of `right`, none of them less than 1e-4:
  /// DeLoRA. The diagonal is computed in double and rounded to fp32, and multiplies `left` in fp32.
  case bounded(left: Operand, right: Operand, bound: Operand)

  /// Sums of vectors of a bank: VB-LoRA.
  case mixed(Mixture<Operand>)
  /// A product that follows from the tensor itself: DEFT, PEANuT, OSF.
  case derived(Derivation<Operand>)
  /// `weight . columns`, one column, as one row: each element is summed in double and rounded to fp32. `columns` is rounded to
  /// `dtype` before; nil: it is not. GLoRA.
  case image(weight: Operand, columns: Formula, roundedTo: DType? = nil)

  /// Blocks of `size` rows and columns whose rows are each the one above, turned by one: element (m, n) is
  /// `kernels[m / size, n - n % size + (n - m) mod size]`, each row of `kernels` being the first rows of the blocks beside
  /// each other: C3A.
  case circulant(kernels: Operand, size: Int)

  /// A matrix each row of which stands so many times below itself, and each column so many times beside itself: RandLoRA.
  case stretched(Formula, rows: Int, columns: Int)
  /// Random numbers that a seed gives: VeRA, RandLoRA.
  case drawn(Draw)
  /// The elements of `values`, one row, that `places` name: UniLoRA.
  case chosen(values: Operand, places: Operand)
  /// Matrices of so many rows, each a row of `matrices`, times the elements of `weights`, one row, and summed up: in double,
  /// rounded to fp32; or that matrix with rows and columns exchanged. TinyLoRA.
  case weighted(weights: Operand, matrices: Operand, rows: Int, isTransposed: Bool = false)
  /// The transform of values in places that a seed gives: FourierFT, WaveFT.
  case spectral(Spectrum<Operand>)
  /// Some rows of a matrix, one after another: of a module that lies in the base in several parts.
  case window(Formula, rows: Range<Int>)
  /// What a weight's size makes whole.
  case open(Blueprint<Operand>)

  /// The matrices that it reads.
  public var operands: [Operand] {
    switch self {
    case .matrix(let values), .circulant(let values, _): [values]
    case .product(let left, let right, let diagonal): [left, right] + [diagonal].compactMap { $0 }
    case .tucker(let left, let core, let right): [left, core, right]
    case .composed(let one, let other), .hadamard(let one, let other), .kronecker(let one, let other, _):
      one.operands + other.operands
    case .repeated(let formula, _, _): formula.operands
    case .scattered(let values, let places, _, _): [values, places]
    case .bounded(let left, let right, let bound): [left, right, bound]
    case .mixed(let mixture): mixture.operands
    case .derived(let derivation): derivation.operands
    // Not the weight, which is the base's.
    case .image(_, let columns, _): columns.operands
    case .stretched(let formula, _, _): formula.operands
    case .drawn: []
    case .chosen(let values, let places): [values, places]
    case .weighted(let weights, let matrices, _, _): [weights, matrices]
    case .spectral(let spectrum): [spectrum.values]
    case .window(let formula, _): formula.operands
    case .open(let blueprint): blueprint.operands
    }
  }

  /// Whether it follows from all of the tensor that is changed.
  package var isDerived: Bool {
    if case .derived = self { return true }
    return false
  }

  /// Whether it takes a decomposition of the tensor that is changed.
  package var decomposesWeight: Bool {
    if case .derived(let derivation) = self { return derivation.decomposesWeight }
    return false
  }

  /// Whether it is made of products of factors, and not the values themselves.
  package var isProduct: Bool {
    switch self {
    case .matrix: false
    case .product, .composed, .tucker, .hadamard, .kronecker, .repeated, .scattered, .bounded, .mixed, .circulant,
      .derived, .image, .stretched, .drawn, .chosen, .weighted, .spectral, .open:
      true
    case .window(let formula, _): formula.isProduct
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
    case .composed(let left, let right):
      return .composed(left: try left.map(transform), right: try right.map(transform))
    case .tucker(let left, let core, let right):
      return .tucker(left: try transform(left), core: try transform(core), right: try transform(right))
    case .hadamard(let one, let other): return .hadamard(try one.map(transform), try other.map(transform))
    case .kronecker(let outer, let inner, let kernel):
      return .kronecker(outer: try outer.map(transform), inner: try inner.map(transform), kernel: kernel)
    case .repeated(let formula, let rows, let columns):
      return .repeated(try formula.map(transform), rows: rows, columns: columns)
    case .scattered(let values, let places, let rows, let columns):
      return .scattered(values: try transform(values), places: try transform(places), rows: rows, columns: columns)
    case .bounded(let left, let right, let bound):
      return .bounded(left: try transform(left), right: try transform(right), bound: try transform(bound))
    case .mixed(let mixture): return .mixed(try mixture.map(transform))
    case .circulant(let kernels, let size): return .circulant(kernels: try transform(kernels), size: size)
    case .derived(let derivation): return .derived(try derivation.map(transform))
    case .image(let weight, let columns, let dtype):
      return .image(weight: try transform(weight), columns: try columns.map(transform), roundedTo: dtype)
    case .stretched(let formula, let rows, let columns):
      return .stretched(try formula.map(transform), rows: rows, columns: columns)
    case .drawn(let draw): return .drawn(draw)
    case .chosen(let values, let places):
      return .chosen(values: try transform(values), places: try transform(places))
    case .weighted(let weights, let matrices, let rows, let isTransposed):
      return .weighted(
        weights: try transform(weights), matrices: try transform(matrices), rows: rows, isTransposed: isTransposed)
    case .spectral(let spectrum): return .spectral(try spectrum.map(transform))
    case .window(let formula, let rows): return .window(try formula.map(transform), rows: rows)
    case .open(let blueprint): return .open(try blueprint.map(transform))
    }
  }

  /// Whether the matrix is zero because some of those that it is made of are.
  package func isZero<Failure: Error>(_ isOperandZero: (Operand) throws(Failure) -> Bool) throws(Failure) -> Bool {
    switch self {
    case .matrix(let values), .scattered(let values, _, _, _), .circulant(let values, _):
      return try isOperandZero(values)
    case .repeated(let formula, _, _), .stretched(let formula, _, _), .window(let formula, _):
      return try formula.isZero(isOperandZero)
    case .drawn: return false
    case .chosen(let values, _): return try isOperandZero(values)
    case .spectral(let spectrum): return try isOperandZero(spectrum.values)
    // Logits of nothing but zeros are weights like others.
    case .mixed(let mixture): return try isOperandZero(mixture.bank)
    case .derived(let derivation):
      guard let factor = derivation.factor else { return false }
      return try isOperandZero(factor)
    case .image(_, let columns, _): return try columns.isZero(isOperandZero)
    case .product, .tucker, .bounded, .weighted, .open:
      for operand in operands where try isOperandZero(operand) { return true }
      return false
    case .composed(let one, let other), .hadamard(let one, let other), .kronecker(let one, let other, _):
      if try one.isZero(isOperandZero) { return true }
      return try other.isZero(isOperandZero)
    }
  }
}
