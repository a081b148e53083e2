import Checksums
import JSONText

/// Says that a weight file of a merge in parts is complete, where its data is, and what it was made from.
///
/// It names the data by name and size, not by inode: a name with a random token has one writer, and inodes differ between
/// machines on some file systems. Records of one file by several processes are all true.
package struct ShardRecord: Sendable, Equatable {
  /// A file of the base as the process saw it that wrote the weight file.
  package struct Input: Sendable, Equatable {
    package let name: String
    package let byteCount: Int
    /// Nanoseconds since 1970.
    package let modifiedNanoseconds: Int
    package let checksum: SHA256Checksum?

    package init(name: String, byteCount: Int, modifiedNanoseconds: Int, checksum: SHA256Checksum? = nil) {
      self.name = name
      self.byteCount = byteCount
      self.modifiedNanoseconds = modifiedNanoseconds
      self.checksum = checksum
    }

    /// Whether both have the same size and time.
    package func isSame(as other: Input) -> Bool {
      name == other.name && byteCount == other.byteCount && modifiedNanoseconds == other.modifiedNanoseconds
    }
  }

  /// Whether the weight file was made from these files of the base, as far as sizes and times tell.
  package func isMade(from inputs: [Input]) -> Bool {
    self.inputs.count == inputs.count && zip(self.inputs, inputs).allSatisfy { $0.isSame(as: $1) }
  }

  /// How far the data was compared with what was written.
  package enum Verification: String, Sendable { case none, read, full }

  package let digest: PlanDigest
  /// The weight file's place in the plan.
  package let number: Int
  /// Relative to the result's folder.
  package let name: String
  /// The name of the data in `work`.
  package let data: String
  package let byteCount: Int
  /// The SHA-256 of N and the header's text.
  package let headerChecksum: SHA256Checksum
  /// The checksum of the whole file, if it was computed.
  package let checksum: SHA256Checksum?
  package let inputs: [Input]
  package let verification: Verification
  /// What was found about the tensors.
  package let findings: ShardFindings

  package init(
    digest: PlanDigest, number: Int, name: String, data: String, byteCount: Int, headerChecksum: SHA256Checksum,
    checksum: SHA256Checksum? = nil, inputs: [Input] = [], verification: Verification = .none,
    findings: ShardFindings = ShardFindings()
  ) {
    self.digest = digest
    self.number = number
    self.name = name
    self.data = data
    self.byteCount = byteCount
    self.headerChecksum = headerChecksum
    self.checksum = checksum
    self.inputs = inputs
    self.verification = verification
    self.findings = findings
  }

  private static let schema = 2

  /// A ``SealedText``.
  package var text: [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("schema")
    writer.value(Self.schema)
    for (key, text) in [("digest", digest.description), ("name", name), ("data", data)] {
      writer.key(key)
      writer.value(text)
    }
    for (key, number) in [("number", number), ("size", byteCount)] {
      writer.key(key)
      writer.value(number)
    }
    writer.key("header_sha256")
    writer.value(headerChecksum.description)
    writer.writeChecksum(checksum)
    writer.key("verified")
    writer.value(verification.rawValue)
    writer.key("inputs")
    writer.beginArray()
    for input in inputs {
      writer.beginObject()
      writer.key("name")
      writer.value(input.name)
      for (key, number) in [("size", input.byteCount), ("mtime_ns", input.modifiedNanoseconds)] {
        writer.key(key)
        writer.value(number)
      }
      writer.writeChecksum(input.checksum)
      writer.end()
    }
    writer.end()
    writer.member("found", members: findings.write)
    writer.end()
    return SealedText.seal(writer.bytes)
  }

  /// Parses a ``text`` about a weight file of a plan; nil for anything else.
  ///
  /// - Parameters:
  ///   - number: The file's place in the plan.
  ///   - digest: The plan's.
  package init?(text: [UInt8], of number: Int, in digest: PlanDigest) {
    self.init(text: text)
    guard self.digest == digest, self.number == number else { return nil }
  }

  /// Parses a ``text``; nil for anything else.
  package init?(text: [UInt8]) {
    guard let json = SealedText.open(text), let value = try? JSONParser.parse(json.span),
      value.integer("schema") == Self.schema,
      let digest = value.string("digest").flatMap({ PlanDigest(name: $0) }), let number = value.integer("number"),
      let name = value.string("name"), let data = value.string("data"), let byteCount = value.integer("size"),
      let header = value.checksum("header_sha256"),
      let verification = value.string("verified").flatMap({ Verification(rawValue: $0) }),
      case .array(let inputs)? = value["inputs"], let findings = ShardFindings(value["found"])
    else { return nil }
    self.init(
      digest: digest, number: number, name: name, data: data, byteCount: byteCount, headerChecksum: header,
      checksum: value.checksum("sha256"), inputs: inputs.compactMap(Input.init), verification: verification,
      findings: findings)
    guard self.inputs.count == inputs.count else { return nil }
  }
}

extension ShardRecord.Input {
  fileprivate init?(_ value: JSONValue) {
    guard let name = value.string("name"), let byteCount = value.integer("size"),
      let modified = value.integer("mtime_ns")
    else { return nil }
    self.init(
      name: name, byteCount: byteCount, modifiedNanoseconds: modified, checksum: value.checksum("sha256"))
  }
}

extension JSONWriter {
  fileprivate mutating func writeChecksum(_ checksum: SHA256Checksum?) {
    guard let checksum else { return }
    key("sha256")
    value(checksum.description)
  }
}
