import Checkpoints
import JSONText
import Safetensors

/// The input embedding and the head of a language model, and whether they are one tensor on disk.
package struct EmbeddingPair {
  let embedding: TensorName
  let head: TensorName
  /// Whether config.json ties them and only one is on disk.
  let isShared: Bool

  private static let embeddingNames = ["embed_tokens", "wte", "word_embeddings", "embed_in", "tok_embeddings"]
  private static let headNames = ["lm_head", "embed_out"]

  /// Nil if no embedding is known by its name, or several are.
  init?(_ base: VirtualBase, config: JSONValue?) {
    let embeddings = base.names.filter { Self.isEmbedding($0) }
    guard embeddings.count == 1, let embedding = embeddings.first else { return nil }
    self.embedding = embedding
    let heads = base.names.filter { Self.isHead($0) }
    head = heads.count == 1 ? heads[heads.startIndex] : TensorName("lm_head.weight")
    isShared = heads.isEmpty && ConfigFacts.tiesEmbeddings(config)
  }

  package static func isEmbedding(_ name: TensorName) -> Bool { leaf(name).map(embeddingNames.contains) ?? false }
  static func isHead(_ name: TensorName) -> Bool { leaf(name).map(headNames.contains) ?? false }

  /// The module's last component of a `weight`.
  private static func leaf(_ name: TensorName) -> String? {
    let parts = name.string.split(separator: ".")
    guard parts.count >= 2, parts.last == "weight" else { return nil }
    return String(parts[parts.count - 2])
  }
}
