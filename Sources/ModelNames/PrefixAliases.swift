/// Beginnings of names that stand for each other in checkpoints and adapters of one model: of the text model alone or inside
/// of one for text and images, with or without the head, by older and newer releases.
enum PrefixAliases {
  private static let text = [
    "", "model.", "model.model.", "language_model.", "language_model.model.", "model.language_model.",
    "model.language_model.model.", "model.text_model.", "text_model.", "backbone.", "transformer.", "gpt_neox.",
    "thinker.model.", "llm.", "model.llm.", "decoder.", "model.decoder.",
    // NeMo Automodel's encoders for queries and passages, which are one model.
    "lm_q.", "lm_q.model.",
  ]
  private static let encoders = ["bert.", "roberta.", "distilbert.", "electra.", "deberta.", "vit.", "encoder."]

  /// Other names for the same tensor, each once; the longest beginning that the name has is exchanged first.
  static func variants(_ name: String, modelPrefix: String?) -> [(name: String, rule: String)] {
    let own = [modelPrefix].compactMap { $0 }
    let prefixes = text + encoders + own.filter { !text.contains($0) && !encoders.contains($0) }
    var seen: Set<String> = [name]
    var variants: [(name: String, rule: String)] = []
    for old in prefixes.sorted(by: { ($1.utf8.count, $0) < ($0.utf8.count, $1) }) where name.hasPrefix(old) {
      for new in prefixes where new != old {
        let variant = new + name.dropFirst(old.count)
        guard seen.insert(variant).inserted else { continue }
        variants.append((variant, "prefix: \(old.isEmpty ? "(none)" : old) > \(new.isEmpty ? "(none)" : new)"))
      }
    }
    return variants
  }
}
