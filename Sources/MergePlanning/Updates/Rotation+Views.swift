import Adapters

extension Rotation where Operand == FactorView {
  /// The same multiplication of these rows alone; nil: it has no such part.
  func rows(_ rows: Range<Int>) -> Rotation? {
    switch form {
    case .blocks, .reflections, .butterfly, .lowRank: return self
    case .bands(let blocks, let size):
      guard rows.lowerBound % size == 0, rows.count % size == 0 else { return nil }
      return Rotation(.bands(blocks: blocks.rows(from: rows.lowerBound, count: rows.count, step: 1), size: size))
    }
  }
}
