/// Color steps between fixed numbers, so that the same number has the same color in every report, and only what deserves
/// attention looks like it.
struct ColorScale: Equatable, Sendable {
  static let stepCount = 7

  /// The lower bounds of all steps but the first, ascending.
  let edges: [Double]
  /// The first step that deserves attention.
  let noticeableStep: Int

  /// Norms of changes relative to the weights': up to a tenth is common, ``MergeReport/suspiciousRatio`` is not.
  static let change = ColorScale(unit: MergeReport.suspiciousRatio, [1.0 / 300, 0.01, 1.0 / 30, 0.1, 1.0 / 3, 1])
  /// Shares of changes that rounding lost; from ``MergeReport/noticeableLoss`` on they are noticeable.
  static let loss = ColorScale(unit: MergeReport.noticeableLoss, [0.1, 0.3, 1, 2, 4, 8])

  /// - Parameters:
  ///   - unit: The least number that deserves attention.
  ///   - multiples: The edges in this unit.
  private init(unit: Double, _ multiples: [Double]) {
    edges = multiples.map { $0 * unit }
    noticeableStep = (multiples.firstIndex(of: 1) ?? 0) + 1
  }

  /// The step of a positive number; nil for others.
  func step(_ number: Double) -> Int? {
    guard number > 0, number.isFinite else { return nil }
    return edges.lastIndex { $0 <= number }.map { $0 + 1 } ?? 0
  }
}
