import Adapters

extension Blueprint where Operand == FactorView {
  /// The ordinary formula for a weight of so many rows and columns, as the module computes with it; nil: it has other sizes.
  func formula(rows: Int, columns: Int) -> Formula<FactorView>? {
    switch self {
    case .projections(let projections): projections.formula(rows: rows, columns: columns)
    case .bases(let bases): bases.formula(rows: rows, columns: columns)
    }
  }
}

extension DrawnProjections where Operand == FactorView {
  fileprivate func formula(rows: Int, columns: Int) -> Formula<FactorView>? {
    guard rows == rowScales.rows, weights.map({ columns <= $0.columns && rows <= $0.rows }) ?? true else { return nil }
    let draws = draws(rows: rows, columns: columns)
    let scales = FactorView(
      innerScales.source, rows: rank, columns: columns, offset: innerScales.offset, rowStride: 1, columnStride: 0)
    return .composed(
      left: .hadamard(.drawn(draws.b), .matrix(rowScales)), right: .hadamard(.drawn(draws.a), .matrix(scales)))
  }
}

extension RandomBases where Operand == FactorView {
  fileprivate func formula(rows: Int, columns: Int) -> Formula<FactorView>? {
    guard min(rows, columns) == width else { return nil }
    let inner = rank * count
    let a: Formula<FactorView>
    let b: Formula<FactorView>
    switch source {
    case .file(let viewA, let viewB):
      guard viewA.columns >= width, viewB.rows >= max(rows, columns), viewB.columns >= inner else { return nil }
      a = .matrix(viewA.columns(0..<width))
      b = .matrix(viewB.rows(from: 0, count: max(rows, columns), step: 1).columns(0..<inner))
    case .drawn(let seed, let kind):
      let draws = draws(seed: seed, kind, rows: rows, columns: columns)
      (a, b) = (.drawn(draws.a), .drawn(draws.b))
    }
    let scaled = Formula.hadamard(
      .hadamard(.matrix(lambda), .stretched(a, rows: count, columns: 1)),
      .repeated(.matrix(gamma), rows: inner, columns: width))
    return width == columns
      ? .composed(left: b, right: scaled) : .composed(left: scaled.transposed, right: b.transposed)
  }
}
