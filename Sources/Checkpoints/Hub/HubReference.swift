/// A Hugging Face model as a user names it: an id, a revision and a path in the repository.
///
/// Source: huggingface_hub 2.4, `validate_repo_id` and `parse_hf_uri`; ids are ASCII here.
public struct HubReference: Equatable, Sendable {
  /// `namespace/name`, or an old model's single name such as `gpt2`.
  public let repository: String
  /// A branch, a tag, `refs/pr/3` or a commit as given; nil means `main`.
  public let revision: String?
  /// Relative to the repository's root; empty for the whole.
  public let path: String

  public init(repository: String, revision: String? = nil, path: String = "") {
    self.repository = repository
    self.revision = revision
    self.path = path
  }

  /// Whether a text has the hub's scheme.
  public static func isAddress(_ text: String) -> Bool { text.utf8.starts(with: scheme.utf8) }

  /// Reads `hf://[models/]namespace/name[@revision][/path]`, whose revision may be percent-encoded, or
  /// `[namespace/]name[@revision]`, whose revision is the rest of the text and may have slashes.
  ///
  /// - Returns: Nil for a text without the scheme that cannot be an id.
  /// - Throws: ``HubError`` for a malformed address.
  public init?(_ text: String) throws(HubError) {
    if Self.isAddress(text) {
      try self.init(address: text)
      return
    }
    let (id, revision) = Self.split(text, at: "@")
    guard Self.isRepository(id), revision.map(Self.isRevision) ?? true else { return nil }
    self.init(repository: id, revision: revision)
  }

  private init(address: String) throws(HubError) {
    func error(_ what: String) -> HubError { HubError(reference: address, .malformed(what)) }
    var rest = String(address.dropFirst(Self.scheme.count))
    while rest.hasPrefix("/") { rest.removeFirst() }
    while rest.hasSuffix("/") { rest.removeLast() }
    let first = Self.split(rest, at: "/").head
    if ["datasets", "spaces", "buckets", "kernels"].contains(first) { throw error("\"\(first)\" are not models") }
    if first == "models" { rest = Self.split(rest, at: "/").tail ?? "" }
    let (beforeAt, afterAt) = Self.split(rest, at: "@")
    // After the second slash an @ is part of a file's name.
    guard let afterAt, beforeAt.count(where: { $0 == "/" }) <= 1 else {
      let parts = rest.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      let id = parts.prefix(2).joined(separator: "/")
      guard parts.count > 1, Self.isRepository(id) else { throw error("expected ORG/NAME, found \"\(rest)\"") }
      self.init(repository: id, path: parts.count > 2 ? parts[2] : "")
      return
    }
    guard beforeAt.contains("/"), Self.isRepository(beforeAt) else {
      throw error("expected ORG/NAME, found \"\(beforeAt)\"")
    }
    let encoded = Self.specialRevision(afterAt) ?? Self.split(afterAt, at: "/").head
    let path = afterAt.dropFirst(encoded.count).drop { $0 == "/" }
    guard let revision = Self.percentDecoded(encoded), Self.isRevision(revision) else {
      throw error("\"\(encoded)\" is not a valid revision")
    }
    self.init(repository: beforeAt, revision: revision, path: String(path))
  }

  private static let scheme = "hf://"

  /// `refs/pr/N` or `refs/convert/NAME` that a text begins with.
  private static func specialRevision(_ text: String) -> String? {
    if text.hasPrefix("refs/pr/") {
      let number = text.dropFirst("refs/pr/".count).prefix { $0.isASCII && $0.isNumber }
      return number.isEmpty ? nil : "refs/pr/\(number)"
    }
    guard text.hasPrefix("refs/convert/") else { return nil }
    let name = text.dropFirst("refs/convert/".count).prefix(while: isWord)
    return name.isEmpty ? nil : "refs/convert/\(name)"
  }

  private static func isWord(_ character: Character) -> Bool {
    character.isASCII && (character.isLetter || character.isNumber || character == "_")
  }

  /// `[namespace/]name`, each of at most 96 letters, digits, dots, dashes and underscores that begins and ends with
  /// none of dot and dash; without "--", ".." and ".git" at its end.
  static func isRepository(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, !text.contains("--"), !text.contains(".."), !text.hasSuffix(".git") else { return false }
    return parts.allSatisfy { part in
      guard let first = part.first, let last = part.last, part.count <= 96 else { return false }
      return isWord(first) && isWord(last) && part.allSatisfy { isWord($0) || $0 == "-" || $0 == "." }
    }
  }

  /// Whether a revision is a name below the folder of references, and not a way out of it.
  static func isRevision(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    return text.utf8.count <= 1024 && !text.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
      && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
  }

  private static func split(_ text: String, at separator: Character) -> (head: String, tail: String?) {
    guard let place = text.firstIndex(of: separator) else { return (text, nil) }
    return (String(text[..<place]), String(text[text.index(after: place)...]))
  }

  /// Nil if the decoded bytes are not UTF-8.
  private static func percentDecoded(_ text: String) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      let digits = rest.prefix(2)
      if byte == UInt8(ascii: "%"), digits.count == 2, let digits = String(digits), digits.allSatisfy(\.isHexDigit),
        let value = UInt8(digits, radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(validating: bytes, as: UTF8.self)
  }
}

extension HubReference: CustomStringConvertible {
  /// `namespace/name[@revision][/path]`.
  public var description: String {
    repository + (revision.map { "@\($0)" } ?? "") + (path.isEmpty ? "" : "/\(path)")
  }
}
