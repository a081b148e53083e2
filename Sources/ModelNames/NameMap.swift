/// A renaming by the user.
public struct NameMap: Sendable, Equatable {
  /// A regular expression, searched for in the names of the adapter's tensors as the runtime model has them, such as
  /// `model.layers.0.self_attn.q_proj.weight`.
  public let pattern: String
  /// What every match becomes; `\1` is what the first group took.
  public let replacement: String

  /// A renaming of every match of `pattern`, which is compiled when the plan is made.
  public init(pattern: String, replacement: String) {
    self.pattern = pattern
    self.replacement = replacement
  }
}
