/// The progress of a merge.
public struct MergeProgress: Sendable, Equatable {
  /// Bytes of the output's weight files.
  public let bytesDone: Int
  public let bytesTotal: Int
  /// Those of ``bytesDone`` that a run before wrote.
  public let bytesKept: Int
  public let shardsDone: Int
  public let shardsTotal: Int
  /// The weight file that was just completed; nil between two.
  public let finishedShard: WrittenShard?
}
