/// Something about a merge that a person should know, of a stable kind: the merge is made all the same.
public struct MergeWarning: Sendable, Equatable {
  /// A stable, greppable identifier.
  public enum Kind: String, Sendable, CaseIterable {
    /// Weights lie beside an adapter, and the merge reads nothing of them.
    case unreadWeights = "unread-weights"
    /// Modules of an adapter add nothing, because their scaling is 0.
    case zeroScaling = "zero-scaling"
    /// Modules of an adapter change nothing, because a factor is all zero.
    case untrained = "untrained"
    /// One adapter is given twice.
    case repeatedAdapter = "repeated-adapter"
    /// The base was made by merging this adapter into another.
    case alreadyMerged = "already-merged"
    /// The change is many times as large as the weights.
    case largeChange = "large-change"
    /// Finite elements became infinite or NaN.
    case nonFinite = "nonfinite"
  }

  public let kind: Kind
  public let message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }
}
