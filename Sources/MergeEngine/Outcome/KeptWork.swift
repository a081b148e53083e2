/// The partial work of an interrupted merge.
public struct KeptWork: Sendable, Equatable {
  /// The staging folder.
  public let path: String
  public let finishedShards: Int
  public let shards: Int
  /// Bytes that are done of other shards.
  public let partialByteCount: Int

  /// In words; nil if it is nothing.
  public var summary: String? {
    var parts: [String] = []
    if finishedShards > 0 { parts.append("\(finishedShards) of \(shards) weight files") }
    if partialByteCount > 0 { parts.append("\(partialByteCount) bytes of unfinished ones") }
    return parts.isEmpty ? nil : "\(parts.joined(separator: " and ")) are kept in \(path)"
  }
}
