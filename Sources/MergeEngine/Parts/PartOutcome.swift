/// What a process did for a part of a merge.
public struct PartOutcome: Sendable, Equatable {
  /// The weight files of the part, in the order in which they were written; those that were complete before are kept ones.
  public let shards: [WrittenShard]
  /// Whether the whole result was there already, so that there was nothing to do.
  public let wasFinished: Bool
}
