import Platform

/// The partial work of an interrupted merge, or of a run that makes an adapter.
public struct KeptWork: Sendable, Equatable {
  /// The staging folder.
  public let path: String
  public let finishedShards: Int
  public let shards: Int
  /// Bytes that are done of other shards.
  public let partialByteCount: Int
  /// What is counted by ``shards``.
  public let noun: String

  package init(path: String, finishedShards: Int, shards: Int, partialByteCount: Int, noun: String = "weight file") {
    self.path = path
    self.finishedShards = finishedShards
    self.shards = shards
    self.partialByteCount = partialByteCount
    self.noun = noun
  }

  /// What is kept, and how to resume; nil if it is nothing.
  public var summary: String? {
    var parts: [String] = []
    if finishedShards > 0 { parts.append("\(finishedShards) of \(NumberText.counted(shards, noun))") }
    if partialByteCount > 0 { parts.append("\(NumberText.bytes(partialByteCount)) of partial work") }
    guard !parts.isEmpty else { return nil }
    return "\(parts.joined(separator: " and ")) kept in \(path). Run the same command again to resume."
  }
}
