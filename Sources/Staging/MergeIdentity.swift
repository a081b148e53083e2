import Checksums
import JSONText

/// Everything that decides the bytes of a result, and nothing else: no paths, no time, nothing about the machine.
///
/// Two runs with equal identities write equal results, so one may resume the other's work.
public struct MergeIdentity: Sendable, Equatable {
  /// An option of the command line.
  public struct Option: Sendable, Equatable {
    public let name: String
    public let value: String

    public init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  /// An input file of the merge.
  public struct Input: Sendable, Equatable {
    /// Its role in the merge: `base`, `adapter 1`, `copied file`.
    public let role: String
    /// Relative to the folder of the base or the adapter.
    public let name: String
    public let byteCount: Int
    /// For a weight file, the SHA-256 of N and the header's text.
    public let headerChecksum: SHA256Checksum?
    /// For a file of the base, the checksum of some blocks of it: tells two models of the same shapes apart.
    public let sample: SHA256Checksum?
    /// The checksum of the whole file; nil for the base's weights, which are read only during the merge.
    public let checksum: SHA256Checksum?

    package init(
      role: String, name: String, byteCount: Int, headerChecksum: SHA256Checksum? = nil, sample: SHA256Checksum? = nil,
      checksum: SHA256Checksum? = nil
    ) {
      self.role = role
      self.name = name
      self.byteCount = byteCount
      self.headerChecksum = headerChecksum
      self.sample = sample
      self.checksum = checksum
    }
  }

  /// The program's version, without those of its libraries and compiler.
  public let version: String
  public let options: [Option]
  public let inputs: [Input]

  package init(version: String, options: [Option], inputs: [Input]) {
    self.version = version
    self.options = options
    self.inputs = inputs
  }

  /// The content of `plan.json` in a staging folder.
  package var text: [UInt8] {
    var writer = JSONWriter(indentation: 2)
    writer.beginObject()
    writer.member("schema", 1)
    writer.member("version", version)
    writer.member("options", options)
    writer.list("inputs", inputs) { $0.writeMembers(to: &$1) }
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  /// The SHA-256 of ``text``.
  package var digest: SHA256Checksum { SHA256Checksum(of: text) }

  /// Parses a ``text``; nil for anything else.
  package init?(text: [UInt8]) {
    guard let value = try? JSONParser.parse(text.span), case .integer(1)? = value["schema"],
      case .string(let version)? = value["version"], case .object(let options)? = value["options"],
      case .array(let inputs)? = value["inputs"]
    else { return nil }
    self.version = version
    self.options = options.compactMap { member in
      if case .string(let value) = member.value { Option(name: member.key, value: value) } else { nil }
    }
    self.inputs = inputs.compactMap(Input.init)
    guard self.text == text else { return nil }
  }

  /// How an older identity differs, in words; nil if its work can be resumed.
  ///
  /// Samples of the base don't count: each finished file is compared with what it was made of, and made again where that is another.
  package func difference(from old: MergeIdentity) -> String? {
    let (own, old) = (withoutSamples, old.withoutSamples)
    return old == own ? nil : own.difference(in: old)
  }

  private var withoutSamples: MergeIdentity {
    MergeIdentity(
      version: version, options: options,
      inputs: inputs.map {
        Input(
          role: $0.role, name: $0.name, byteCount: $0.byteCount, headerChecksum: $0.headerChecksum,
          checksum: $0.checksum)
      })
  }

  /// What the first difference is.
  private func difference(in old: MergeIdentity) -> String {
    if old.version != version { return "version: \(old.version) -> \(version)" }
    for option in options {
      let before = old.options.first { $0.name == option.name }?.value
      if before != option.value { return "\(option.name): \(before ?? "not given") -> \(option.value)" }
    }
    if let gone = old.options.first(where: { old in !options.contains { $0.name == old.name } }) {
      return "\(gone.name): \(gone.value) -> not given"
    }
    for input in inputs {
      guard let before = old.inputs.first(where: { $0.role == input.role && $0.name == input.name }) else {
        return "\(input.role): \(input.name) is new"
      }
      if before != input { return "\(input.role): \(input.name) has changed" }
    }
    if let gone = old.inputs.first(where: { old in !inputs.contains { $0.role == old.role && $0.name == old.name } }) {
      return "\(gone.role): \(gone.name) is gone"
    }
    return "order of options or inputs"
  }
}

extension MergeIdentity.Input {
  /// The same file with the checksum of its whole content.
  func with(checksum: SHA256Checksum?) -> Self {
    Self(
      role: role, name: name, byteCount: byteCount, headerChecksum: headerChecksum, sample: sample, checksum: checksum)
  }

  func writeMembers(to writer: inout JSONWriter) {
    writer.member("role", role)
    writer.member("name", name)
    writer.member("size", byteCount)
    for (name, checksum) in [("header_sha256", headerChecksum), ("sample_sha256", sample), ("sha256", checksum)] {
      if let checksum { writer.member(name, checksum.description) }
    }
  }

  /// Parses the output of ``writeMembers(to:)``; nil for anything else.
  init?(_ value: JSONValue) {
    guard case .string(let role)? = value["role"], case .string(let name)? = value["name"],
      case .integer(let byteCount)? = value["size"]
    else { return nil }
    self.init(
      role: role, name: name, byteCount: Int(byteCount), headerChecksum: value.checksum("header_sha256"),
      sample: value.checksum("sample_sha256"), checksum: value.checksum("sha256"))
  }
}

extension JSONValue {
  func checksum(_ key: String) -> SHA256Checksum? {
    if case .string(let text)? = self[key] { SHA256Checksum(hexadecimal: text) } else { nil }
  }

  func integer(_ key: String) -> Int? {
    if case .integer(let value)? = self[key] { Int(value) } else { nil }
  }

  func string(_ key: String) -> String? {
    if case .string(let value)? = self[key] { value } else { nil }
  }
}

extension JSONWriter {
  /// The options by name.
  package mutating func member(_ key: String, _ options: [MergeIdentity.Option]) {
    member(key) { writer in
      for option in options { writer.member(option.name, option.value) }
    }
  }
}
