/// Names of modules that other trainers use for what transformers calls otherwise, a line each.
///
/// Only names that no model of transformers has are here: what a name can mean in a model is for the plan, which has the
/// base.
enum TrainerNames {
  /// Tinker: the head, which is next to the embedding in its models.
  private static let modules: [(path: [String], name: [String])] = [
    (["model", "unembed_tokens"], ["lm_head"]),
    (["unembed_tokens"], ["lm_head"]),
  ]

  /// Gives the beginning of a key without PEFT's prefix the name that transformers has for it.
  static func rename(_ segments: inout [String], _ leniencies: inout Set<AdapterKey.Leniency>) {
    guard let entry = modules.first(where: { segments.starts(with: $0.path) }) else { return }
    segments.replaceSubrange(..<entry.path.count, with: entry.name)
    leniencies.insert(.renamed(entry.path.joined(separator: ".")))
  }
}
