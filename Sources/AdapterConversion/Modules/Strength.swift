/// A rank and an alpha whose quotient is a scaling.
struct Strength: Equatable, Sendable {
  let rank: Int
  let alpha: Double

  /// The alpha of a rank for a scaling: `scaling * rank`, or a neighbor of it whose quotient is the scaling.
  ///
  /// Returns nil if no such alpha gives the scaling in fp32, in which merges multiply.
  init?(scaling: Double, rank: Int, stated: Double?) {
    self.rank = rank
    if let stated, stated / Double(rank) == scaling {
      alpha = stated
      return
    }
    let product = scaling * Double(rank)
    let exact = [product, product.nextUp, product.nextDown].first { $0 / Double(rank) == scaling }
    guard let found = exact ?? (Float(product / Double(rank)) == Float(scaling) ? product : nil), found.isFinite,
      found != 0 || scaling == 0
    else { return nil }
    alpha = found
  }
}
