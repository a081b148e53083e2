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
    case .tucker: preconditionFailure("only convolutions have such a weight, which is never stored transposed")
    case .hadamard(let one, let other): .hadamard(one.transposed, other.transposed)
    }
  }

  /// The formula of the rows at a distance of `step`.
  func rows(from first: Int, count: Int, step: Int) -> Formula {
    func cut(_ view: FactorView) -> FactorView { view.rows(from: first, count: count, step: step) }
    return switch self {
    case .matrix(let values): .matrix(cut(values))
    case .product(let left, let right, let diagonal): .product(left: cut(left), right: right, diagonal: diagonal)
    case .tucker(let left, let core, let right): .tucker(left: cut(left), core: core, right: right)
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
    case .tucker: preconditionFailure("only convolutions have such a weight, whose columns are not interleaved")
    case .hadamard(let one, let other): .hadamard(one.spreadingColumns(turn), other.spreadingColumns(turn))
    }
  }

  /// A product as products over `length` of the rank each, whose sum it is; one formula where it is not a product.
  func blocks(_ length: Int) -> [Formula] {
    guard case .product(let left, let right, let diagonal) = self else { return [self] }
    return stride(from: 0, to: left.columns, by: length).map { first in
      let inner = first..<min(first + length, left.columns)
      return .product(
        left: left.columns(inner), right: right.rows(from: inner.lowerBound, count: inner.count, step: 1),
        diagonal: diagonal?.columns(inner))
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
          rescaling.addition.transposed, along: rescaling.axis.other, to: rescaling.magnitudes, norms: rescaling.norms))
    case .scale(let factors, let axis): .scale(factors, along: axis.other)
    case .round: self
    // Rows that become columns are no rows that could be written over: no tuner has both.
    case .replaceRows: self
    }
  }
}

extension UpdateStep where Operand == FactorView {
  /// The same step where every column stands for so many: a factor of a column multiplies each.
  func repeatingColumns(_ count: Int) -> UpdateStep {
    guard case .scale(let factors, .columns) = self else { return self }
    let repeated = FactorView(
      factors.source, rows: factors.columns, columns: count, offset: factors.offset, rowStride: factors.columnStride,
      columnStride: 0)
    return .scale(repeated, along: .columns)
  }
}

extension Addition where Operand == FactorView {
  fileprivate var transposed: Addition { with(terms.map(\.transposed)) }
}

extension Term where Operand == FactorView {
  /// The same delta with rows and columns exchanged.
  package var transposed: Term { Term(rows: columns, columns: rows, formula.transposed, scaling: scaling) }

  /// The same delta in the columns of one turn.
  func spread(_ turn: Turn) -> Term {
    guard turn != .every else { return self }
    return Term(
      rows: rows, columns: columns.lowerBound * turn.count..<columns.upperBound * turn.count,
      formula.spreadingColumns(turn), scaling: scaling)
  }
}
