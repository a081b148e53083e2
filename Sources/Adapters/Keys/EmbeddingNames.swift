import Platform

/// What modules with a row for each token are called where nothing but the name tells: in models of classes that no table
/// has, and in adapters, which do not say their model's class.
package enum EmbeddingNames {
  private static let embeddings: Set<String> = [
    "embed_tokens", "embed_in", "embeddings", "input_embedding", "shared", "tok_embeddings", "token_embeddings",
    "tokens_embed", "word_embedding", "word_embeddings", "wte",
  ]
  private static let heads: Set<String> = ["lm_head", "embed_out", "output_layer"]
  /// Heads whose last component alone would say nothing.
  private static let headPaths = ["predictions.decoder", "lm_head.decoder", "lm_head.out_proj"]
  /// Parts with an embedding or a head of their own beside the language model's: for the prediction of several tokens, for
  /// speech, for drafts.
  private static let besides: Set<String> = [
    "mtp", "mtp_layers", "mtp_head", "nextn", "talker", "code_predictor", "code2wav", "token2wav", "draft", "eagle",
    "medusa_heads", "visual", "vision_tower", "vision_model", "audio_tower", "audio_model",
  ]

  /// Whether `name` is the weight of an input embedding.
  package static func isEmbedding(_ name: String) -> Bool {
    leaf(name).map { embeddings.contains($0) } ?? false
  }

  /// Whether `name` is the weight of a head over the vocabulary.
  package static func isHead(_ name: String) -> Bool {
    guard let leaf = leaf(name) else { return false }
    if heads.contains(leaf) { return true }
    let module = name.dropLast(".weight".count)
    return headPaths.contains { module == $0 || module.hasSuffix("." + $0) }
  }

  /// Whether the tensor is in a part beside the language model: one of ``besides``, or one of numbered layers.
  package static func isBeside(_ name: String) -> Bool {
    // Most names are of numbered layers.
    if WordSet.hasNumber(in: name) { return true }
    return name.split(separator: ".").dropLast().contains { besides.contains(String($0)) }
  }

  /// The module's last component of a `weight`.
  private static func leaf(_ name: String) -> String? {
    let parts = name.split(separator: ".")
    guard parts.count >= 2, parts.last == "weight" else { return nil }
    return String(parts[parts.count - 2])
  }
}
