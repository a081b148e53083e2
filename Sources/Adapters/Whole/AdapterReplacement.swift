/// A tensor of the adapter that takes the place of one of the base's, before any update is added.
public struct AdapterReplacement: Equatable, Sendable {
  /// The reason that the adapter has it.
  public enum Kind: Sendable {
    /// A trained bias (`bias="all"`, `"lora_only"`).
    case bias
    /// A module that was trained whole (`modules_to_save`), or an embedding saved whole since it was resized.
    case savedModule
    /// The base's own weight of an adapted layer, saved beside its update.
    case baseLayer
  }

  public let kind: Kind
  /// The tensor's name in the model in memory, such as `model.embed_tokens.weight`.
  public let target: String
  /// Where it is in the adapter's tensor table.
  public let tensor: Int

  package init(kind: Kind, target: String, tensor: Int) {
    self.kind = kind
    self.target = target
    self.tensor = tensor
  }
}
