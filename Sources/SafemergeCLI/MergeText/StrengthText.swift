import Adapters
import MergePlanning
import Platform

/// Ranks, alphas and scalings as people read them; what a method does not have is left out.
enum StrengthText {
  /// Of all modules of an adapter: `r=4 alpha=7 (scaling 1.75)`; nil: the method has none, or there are no modules.
  static func summary(_ adapter: Adapter) -> String? {
    let updates = adapter.updates
    guard let first = updates.first, let rank = first.rank, let alpha = first.alpha, let scaling = first.scaling else {
      return nil
    }
    guard updates.allSatisfy({ $0.rank == rank && $0.alpha == alpha }) else {
      let ranks = updates.compactMap(\.rank)
      return "r=\(ranks.min() ?? 0)..\(ranks.max() ?? 0), alpha and scaling by module"
    }
    return "r=\(rank) alpha=\(NumberText.number(alpha)) (scaling \(NumberText.number(scaling)))"
  }

  /// The smallest and the largest of each: `r=4..8 alpha=7 scaling=1.75`; nil: the method has none.
  static func ranges(_ adapter: Adapter) -> String? {
    let updates = adapter.updates
    let texts = [
      ("r", updates.compactMap { $0.rank.map(Double.init) }), ("alpha", updates.compactMap(\.alpha)),
      ("scaling", updates.compactMap(\.scaling)),
    ].compactMap { name, values in range(values).map { "\(name)=\($0)" } }
    if updates.isEmpty { return "r=- alpha=- scaling=-" }
    return texts.isEmpty ? nil : texts.joined(separator: " ")
  }

  /// Of one module of a plan: `r=4 alpha=7 scaling=1.75`; nil: the method has none.
  static func summary(_ module: MergePlan.Module) -> String? {
    let texts = [
      module.rank.map { "r=\($0)" }, module.alpha.map { "alpha=\(NumberText.number($0))" },
      module.scaling.map { "scaling=\(NumberText.number($0))" },
    ].compactMap { $0 }
    return texts.isEmpty ? nil : texts.joined(separator: " ")
  }

  private static func range(_ values: [Double]) -> String? {
    guard let smallest = values.min(), let largest = values.max() else { return nil }
    let low = NumberText.number(smallest)
    return smallest == largest ? low : "\(low)..\(NumberText.number(largest))"
  }
}
