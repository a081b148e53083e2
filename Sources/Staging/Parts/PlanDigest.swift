import Checksums

/// What tells the parts of one plan from those of every other: the name of the folder in which they are gathered.
///
/// Made of the identity's whole text: the program's version, every option that changes bytes, headers and samples of the
/// base, the adapters and the copied files. Neither paths nor times go in, nor the number of parts, threads, memory, or whether
/// checksums are made. So parts of one plan meet whichever machine they run on, and parts of two never do.
public struct PlanDigest: Sendable, Hashable, CustomStringConvertible {
  /// 32 hexadecimal digits: the first half of the SHA-256 of the identity's text.
  public let description: String

  /// Digits of a digest.
  private static let length = 32

  /// The digest of the plan that an identity decides.
  ///
  /// - Parameter identity: What decides the result.
  public init(_ identity: MergeIdentity) { description = String(identity.digest.description.prefix(Self.length)) }

  /// Parses the name of a folder; nil for any other name.
  ///
  /// - Parameter name: Digits as ``description`` has them.
  public init?(name: String) {
    let digits = Array("0123456789abcdef".utf8)
    guard name.utf8.count == Self.length, name.utf8.allSatisfy(digits.contains) else { return nil }
    description = name
  }
}
