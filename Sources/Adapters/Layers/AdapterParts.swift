/// A tensor of the adapter that takes the place of one of the base's, before any update is added.
public struct AdapterReplacement: Equatable, Sendable {
  /// Why the adapter has it.
  public enum Kind: Sendable {
    /// A trained bias (`bias="all"`, `"lora_only"`).
    case bias
    /// A module that was trained whole (`modules_to_save`), or an embedding saved whole since it was resized.
    case savedModule
    /// The base's own weight of an adapted layer, saved beside its update.
    case baseLayer
  }

  public let kind: Kind
  /// The tensor's name in the live model, such as `model.embed_tokens.weight`.
  public let target: String
  /// Where it stands in the adapter's tensor table.
  public let tensor: Int
}

/// Rows that take the place of rows of an embedding, after everything else.
public struct AdapterTokenRows: Equatable, Sendable {
  /// Where the embedding stands in the model, such as `model.embed_tokens`.
  public let module: String
  /// Where the rows, (tokens, dimension), stand in the adapter's tensor table.
  public let tensor: Int
  /// The tokens, in the order of the rows; none twice.
  public let indices: [Int]
}

/// A tensor on the list of those that a merge does not need.
public struct IgnoredTensor: Equatable, Sendable {
  /// Where it stands in the adapter's tensor table.
  public let tensor: Int
  public let reason: String
}
