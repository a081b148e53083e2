import Adapters

extension PairMixing where Operand == FactorView {
  /// The same mixing of these rows alone; nil: a pair of them is not among them whole.
  func rows(_ rows: Range<Int>) -> PairMixing? {
    guard axis == .rows else { return self }
    guard rows.lowerBound % groupSize == 0, rows.count % groupSize == 0 else { return nil }
    let (first, count) = (rows.lowerBound / groupSize, rows.count / groupSize)
    return map { (view: FactorView) -> FactorView in view.rows(from: first, count: count, step: 1) }
  }
}
