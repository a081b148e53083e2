import JSONText

/// What config.json says that decides whether a merge is right.
enum ConfigFacts {
  /// `tie_word_embeddings`, at the top or in the text model's own section; false where it is absent.
  static func tiesEmbeddings(_ config: JSONValue?) -> Bool {
    guard let config else { return false }
    return config["tie_word_embeddings"] == .bool(true) || config["text_config"]?["tie_word_embeddings"] == .bool(true)
  }

  /// Whether the module may be a Conv1D of transformers, whose weight is stored (in, out): by the families that have them
  /// and the names they use there. Without a `model_type` the name alone decides.
  static func mayBeStoredTransposed(module: String, config: JSONValue?) -> Bool {
    let leaf = module.split(separator: ".").last ?? ""
    guard ["c_attn", "c_proj", "c_fc", "q_attn"].contains(leaf) else { return false }
    guard case .string(let family)? = config?["model_type"] else { return true }
    return ["gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp"].contains(family)
  }
}
