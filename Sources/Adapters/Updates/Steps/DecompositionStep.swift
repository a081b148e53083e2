/// What the other steps start from in place of the tensor W: `round(W - P)` in W's dtype, with P of low rank, a part of a
/// decomposition of W that only W's data tells.
///
/// Source: PEFT 0.21.2 `LoraLayer.pissa_init`, `LoraLayer.olora_init`, `KasaLinearVariant._truncate_base_weight`.
public struct DecompositionStep: Equatable, Sendable {
  /// What is taken out: for PiSSA the `rank` largest singular values with their vectors, for KaSA the smallest, for
  /// OLoRA `scaling` times the first columns of Q and rows of R.
  public let change: Decomposition
  /// At least 1 and at most the tensor's rows and columns.
  public let rank: Int
  /// s, not 0. In PiSSA it cancels out but for roundings; KaSA has none.
  public let scaling: Float
  /// Whether PEFT decomposes the transposed tensor: only roundings tell.
  public let isTransposed: Bool

  public init(change: Decomposition, rank: Int, scaling: Float, isTransposed: Bool = false) {
    self.change = change
    self.rank = rank
    self.scaling = scaling
    self.isTransposed = isTransposed
  }

  /// The same step on the transposed tensor.
  package var transposed: DecompositionStep {
    DecompositionStep(change: change, rank: rank, scaling: scaling, isTransposed: !isTransposed)
  }
}
