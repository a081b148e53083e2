import MergePlanning

/// Modules that only the tuned model has, such as a new head.
enum NewModules {
  /// Those of the saved modules that a merge into the base adds: the base has none of their tensors, nor one that is tied to them.
  static func find(_ change: ModelChange, _ saved: Set<String>) -> [String] {
    let tied = Self.tied(change)
    return lacking(change, saved).filter { !tied.contains($0) }
  }

  /// Those of the changed modules that are one tensor with another module in the base, such as a head with the embedding.
  static func untied(_ change: ModelChange, _ changed: Set<String>) -> [String] {
    let tied = Self.tied(change)
    return lacking(change, changed).filter(tied.contains)
  }

  private static func lacking(_ change: ModelChange, _ modules: Set<String>) -> [String] {
    change.pairs.filter { $0.base == nil && modules.contains($0.tuned.module) }.map(\.tuned.module).uniqued
  }

  private static func tied(_ change: ModelChange) -> Set<String> {
    Set(change.base.parameters.flatMap(\.tiedModules))
  }

  /// Whether a module is in an element of a list, such as a layer. The last component may be a number, as in a head that is a sequence.
  static func isInLayer(_ module: String) -> Bool {
    module.split(separator: ".").dropLast().contains { Int($0) != nil }
  }
}
