import Checksums

/// A weight file of a result that is complete and on the disk.
public struct WrittenShard: Sendable, Equatable {
  /// Relative to the output's folder.
  public let name: String
  public let byteCount: Int
  /// The SHA-256 of the whole file; nil: it was not computed.
  public let checksum: SHA256Checksum?
  /// Whether a run before wrote it.
  public let isKept: Bool
}
