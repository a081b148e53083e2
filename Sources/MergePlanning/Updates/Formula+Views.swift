import Adapters

/// Where formulas lie in the tensors of a base: transposed, cut into rows, spread over columns.
extension Formula where Operand == FactorView {
  /// The formula of the transposed matrix: `(L R)^T = R^T L^T`, each product of two numbers as before.
  package var transposed: Formula {
    switch self {
    case .matrix(let values): .matrix(values.transposed)
    // No kind of layer has both a diagonal and a transposed weight: the product would be the same, its roundings not.
    case .product(let left, let right, let diagonal):
      .product(left: right.transposed, right: left.transposed, diagonal: diagonal)
    case .composed(let left, let right): .composed(left: right.transposed, right: left.transposed)
    case .tucker: preconditionFailure("only convolutions have such a weight, which is never stored transposed")
    case .hadamard(let one, let other): .hadamard(one.transposed, other.transposed)
    case .kronecker(let outer, let inner, let kernel):
      .kronecker(outer: outer.transposed, inner: inner.transposed, kernel: kernel)
    case .repeated(let formula, let rows, let columns):
      .repeated(formula.transposed, rows: columns, columns: rows)
    case .mixed(let mixture): .mixed(mixture.transposed)
    case .derived(let derivation): .derived(derivation.transposed)
    case .image: preconditionFailure("a bias is never stored transposed")
    case .stretched(let formula, let rows, let columns):
      .stretched(formula.transposed, rows: columns, columns: rows)
    case .drawn(let draw): .drawn(draw.transposed)
    case .chosen(let values, let places): .chosen(values: values, places: places.transposed)
    case .spectral(let spectrum): .spectral(spectrum.transposed)
    case .weighted(let weights, let matrices, let rows, let isTransposed):
      .weighted(weights: weights, matrices: matrices, rows: rows, isTransposed: !isTransposed)
    case .window: preconditionFailure("rows of a matrix are taken where they are placed")
    case .open: preconditionFailure("a formula is fitted before it is placed")
    case .scattered, .bounded, .circulant: preconditionFailure("only linear layers have such an update, as they are")
    }
  }

  /// Whether ``transposed`` can be had.
  package var isTransposable: Bool {
    switch self {
    case .matrix, .product, .mixed, .derived, .drawn, .chosen, .weighted, .spectral, .open: true
    case .tucker, .scattered, .bounded, .circulant, .image, .window: false
    case .composed(let one, let other), .hadamard(let one, let other), .kronecker(let one, let other, _):
      one.isTransposable && other.isTransposable
    case .repeated(let formula, _, _), .stretched(let formula, _, _): formula.isTransposable
    }
  }

  /// Rows of the matrix.
  package var rows: Int {
    switch self {
    case .matrix(let values): values.rows
    case .product(let left, _, _), .tucker(let left, _, _): left.rows
    case .composed(let left, _): left.rows
    case .hadamard(let one, _): one.rows
    case .kronecker(let outer, let inner, _): outer.rows * inner.rows
    case .repeated(_, let rows, _), .scattered(_, _, let rows, _): rows
    case .bounded(let left, _, _): left.rows
    case .mixed(let mixture): mixture.isTransposed ? mixture.columns : mixture.rows
    case .circulant(let kernels, let size): kernels.rows * size
    case .derived(let derivation): derivation.isTransposed ? derivation.columns : derivation.rows
    case .image: 1
    case .stretched(let formula, let rows, _): formula.rows * rows
    case .drawn(let draw): draw.isTransposed ? draw.columns : draw.rows
    case .chosen(_, let places): places.rows
    case .weighted(_, let matrices, let rows, let isTransposed): isTransposed ? matrices.columns / rows : rows
    case .spectral(let spectrum): spectrum.isTransposed ? spectrum.columns : spectrum.rows
    case .window(_, let rows): rows.count
    case .open: 0
    }
  }

  /// Columns of the matrix.
  package var columns: Int {
    switch self {
    case .matrix(let values): values.columns
    case .product(_, let right, _): right.columns
    case .composed(_, let right): right.columns
    case .tucker(_, let core, let right): right.columns * (core.columns / right.rows)
    case .hadamard(let one, _): one.columns
    case .kronecker(let outer, let inner, _): outer.columns * inner.columns
    case .repeated(_, _, let columns), .scattered(_, _, _, let columns): columns
    case .bounded(_, let right, _): right.columns
    case .mixed(let mixture): mixture.isTransposed ? mixture.rows : mixture.columns
    case .circulant(let kernels, _): kernels.columns
    case .derived(let derivation): derivation.isTransposed ? derivation.rows : derivation.columns
    case .image(let weight, _, _): weight.rows
    case .stretched(let formula, _, let columns): formula.columns * columns
    case .drawn(let draw): draw.isTransposed ? draw.rows : draw.columns
    case .chosen(_, let places): places.columns
    case .weighted(_, let matrices, let rows, let isTransposed): isTransposed ? rows : matrices.columns / rows
    case .spectral(let spectrum): spectrum.isTransposed ? spectrum.rows : spectrum.columns
    case .window(let formula, _): formula.columns
    case .open: 0
    }
  }

  /// Whether neighboring rows of the matrix can be had without others.
  var hasWindows: Bool {
    switch self {
    case .derived, .image, .open: false
    case .matrix, .product, .composed, .tucker, .hadamard, .kronecker, .repeated, .scattered, .bounded, .mixed,
      .circulant, .stretched, .drawn, .chosen, .weighted, .spectral, .window:
      true
    }
  }

  /// Whether rows of the matrix at a distance, or zeros between its columns, can be had without all of it.
  var isDivisible: Bool {
    switch self {
    case .matrix, .product: true
    case .tucker, .kronecker, .repeated, .scattered, .bounded, .mixed, .circulant, .derived, .image, .stretched, .drawn,
      .chosen, .weighted, .spectral, .window, .open:
      false
    case .composed(let left, let right): left.isDivisible && right.isDivisible
    case .hadamard(let one, let other): one.isDivisible && other.isDivisible
    }
  }

  /// The formula of the rows at a distance of `step`.
  func rows(from first: Int, count: Int, step: Int) -> Formula {
    func cut(_ view: FactorView) -> FactorView { view.rows(from: first, count: count, step: step) }
    return switch self {
    case .matrix(let values): .matrix(cut(values))
    case .product(let left, let right, let diagonal): .product(left: cut(left), right: right, diagonal: diagonal)
    case .composed(let left, let right):
      .composed(left: left.rows(from: first, count: count, step: step), right: right)
    case .tucker(let left, let core, let right): .tucker(left: cut(left), core: core, right: right)
    case .drawn(let draw): .drawn(draw.rows(from: first, count: count, step: step))
    case .chosen(let values, let places): .chosen(values: values, places: cut(places))
    case .window(let formula, let rows) where step == 1:
      .window(formula, rows: rows.lowerBound + first..<rows.lowerBound + first + count)
    case .kronecker, .repeated, .scattered, .bounded, .mixed, .circulant, .derived, .image, .stretched, .weighted,
      .spectral, .window, .open:
      if hasWindows, step == 1 {
        .window(self, rows: first..<first + count)
      } else {
        preconditionFailure("such an update is placed as a whole, or refused")
      }
    case .hadamard(let one, let other):
      .hadamard(
        one.rows(from: first, count: count, step: step), other.rows(from: first, count: count, step: step))
    }
  }

  /// The formula of the matrix with zeros before, between and behind its columns.
  func spreadingColumns(_ turn: Turn) -> Formula {
    switch self {
    case .matrix(let values): .matrix(values.spreadingColumns(turn))
    case .product(let left, let right, let diagonal):
      .product(left: left, right: right.spreadingColumns(turn), diagonal: diagonal)
    case .composed(let left, let right): .composed(left: left, right: right.spreadingColumns(turn))
    case .tucker, .kronecker, .repeated, .scattered, .bounded, .mixed, .circulant, .derived, .image, .stretched, .drawn,
      .chosen, .weighted, .spectral, .window, .open:
      preconditionFailure("such an update is placed as a whole, or refused")
    case .hadamard(let one, let other): .hadamard(one.spreadingColumns(turn), other.spreadingColumns(turn))
    }
  }

  /// A product as products over `length` of the rank each, whose sum it is; one formula where it is not a product.
  func blocks(_ length: Int) -> [Formula] {
    if case .composed(let left, let right) = self { return Self.blocks(left, right, length) }
    guard case .product(let left, let right, let diagonal) = self else { return [self] }
    return stride(from: 0, to: left.columns, by: length).map { first in
      let inner = first..<min(first + length, left.columns)
      return .product(
        left: left.columns(inner), right: right.rows(from: inner.lowerBound, count: inner.count, step: 1),
        diagonal: diagonal?.columns(inner))
    }
  }

  /// The formula of as many rows and columns: what repeats is continued, and columns that are too many are cut off; nil: it has too
  /// few.
  func fitted(rows: Int, columns: Int) -> Formula? {
    switch self {
    case .repeated(let formula, _, _):
      // The matrix stands below itself a whole number of times; to the right it may be cut off.
      return rows % formula.rows == 0 ? .repeated(formula, rows: rows, columns: columns) : nil
    case .scattered(let values, let places, _, _):
      return .scattered(values: values, places: places, rows: rows, columns: columns)
    case .derived(let derivation):
      return derivation.rows == rows ? .derived(Derivation(derivation.form, rows: rows, columns: columns)) : nil
    case .spectral(let spectrum):
      guard spectrum.values.columns <= rows * columns else { return nil }
      return .spectral(spectrum.fitted(rows: rows, columns: columns))
    case .open(let blueprint): return blueprint.formula(rows: rows, columns: columns)
    default:
      guard self.rows == rows, columns <= self.columns else { return nil }
      return columns == self.columns ? self : self.columns(0..<columns)
    }
  }

  private static func blocks(_ left: Formula, _ right: Formula, _ length: Int) -> [Formula] {
    stride(from: 0, to: left.columns, by: length).map { first in
      let inner = first..<min(first + length, left.columns)
      return .composed(
        left: left.columns(inner), right: right.rows(from: inner.lowerBound, count: inner.count, step: 1))
    }
  }

  /// The formula of some of the columns.
  private func columns(_ range: Range<Int>) -> Formula {
    switch self {
    case .matrix(let values): .matrix(values.columns(range))
    case .product(let left, let right, let diagonal):
      .product(left: left, right: right.columns(range), diagonal: diagonal)
    case .composed(let left, let right): .composed(left: left, right: right.columns(range))
    case .hadamard(let one, let other): .hadamard(one.columns(range), other.columns(range))
    case .drawn(let draw): .drawn(draw.columns(range))
    case .chosen(let values, let places): .chosen(values: values, places: places.columns(range))
    case .tucker, .kronecker, .repeated, .scattered, .bounded, .mixed, .circulant, .derived, .image, .stretched,
      .weighted, .spectral, .window, .open:
      preconditionFailure("no factor of a product is such a matrix")
    }
  }
}

extension UpdateStep where Operand == FactorView {
  /// The same step of the transposed matrix.
  var transposed: UpdateStep {
    switch self {
    case .subtract(let decomposition): .subtract(decomposition.transposed)
    case .add(let addition): .add(addition.transposed)
    case .rescale(let rescaling):
      .rescale(
        Rescaling(
          rescaling.addition.transposed, along: rescaling.axis.other, to: rescaling.magnitudes, norms: rescaling.norms,
          columnsPerNorm: rescaling.columnsPerNorm))
    case .scale(let factors, let axis): .scale(factors, along: axis.other)
    case .rotate: preconditionFailure("no tuner multiplies a weight that is stored transposed")
    case .mix(let mixing): .mix(mixing.along(mixing.axis.other))
    case .mixBlocks, .part: preconditionFailure("no adapter of such steps has weights that are stored transposed")
    case .round: self
    // Rows that become columns are no rows that could be written over: no tuner has both.
    case .replaceRows: self
    }
  }
}

extension UpdateStep where Operand == FactorView {
  /// The same step where every column stands for so many: a factor of a column multiplies each, and a row that is repeated
  /// downwards has each of its elements as often.
  func repeatingColumns(_ count: Int) -> UpdateStep {
    if case .add(let addition) = self {
      return .add(addition.changingTerms { $0.repeatingColumns(count) })
    }
    guard case .scale(let factors, .columns) = self else { return self }
    let repeated = FactorView(
      factors.source, rows: factors.columns, columns: count, offset: factors.offset, rowStride: factors.columnStride,
      columnStride: 0)
    return .scale(repeated, along: .columns)
  }
}

extension Addition where Operand == FactorView {
  fileprivate var transposed: Addition { changingTerms { $0.transposed } }
}

extension Term where Operand == FactorView {
  /// The same delta with rows and columns exchanged.
  package var transposed: Term { Term(rows: columns, columns: rows, formula.transposed, scaling: scaling) }

  /// The same delta where every column stands for so many.
  fileprivate func repeatingColumns(_ count: Int) -> Term {
    guard count > 1, case .repeated(let row, let rows, let width) = formula, row.columns == width else { return self }
    return Term(
      rows: self.rows, columns: 0..<width * count,
      .repeated(.stretched(row, rows: 1, columns: count), rows: rows, columns: width * count), scaling: scaling)
  }

  /// The same delta in the columns of one turn.
  func spread(_ turn: Turn) -> Term {
    guard turn != .every else { return self }
    return Term(
      rows: rows, columns: columns.lowerBound * turn.count..<columns.upperBound * turn.count,
      formula.spreadingColumns(turn), scaling: scaling)
  }
}
