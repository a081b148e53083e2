import JSONText

/// Model types whose embedding normalizes the rows that it looks up. PEFT adds an update behind that, so that no weight of
/// the embedding computes what base and adapter do.
///
/// Source: transformers 5.24.0, the classes called `NormedEmbedding`; PEFT 0.21.2 `Embedding.forward`.
enum NormalizedEmbeddings {
  private static let types: Set<String> = [
    "inkling_mm_model", "inkling_text", "inkling2", "inkling2_text", "inkling2_loop", "inkling2_loop_text",
    "muse_glimmer",
    "muse_glimmer_text", "muse_spark", "muse_spark_text",
  ]

  /// The model type that normalizes; nil: none does that is known.
  static func type(_ config: JSONValue?) -> String? {
    for section in [config, config?["text_config"]] {
      if case .string(let type)? = section?["model_type"], types.contains(type) { return type }
    }
    return nil
  }
}
