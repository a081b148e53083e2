import Checkpoints
import Checksums
import JSONText
import Platform

/// The content of `.safemerge.json` in a result: its inputs, its options and its files. It has no times and no paths:
/// the same merge gives the same text everywhere.
///
/// All code that writes or reads the file is here.
public struct ResultRecord: Sendable, Equatable {
  /// More than any record has.
  private static let byteLimit = 64 << 20

  /// A file of the result.
  package struct File: Sendable, Equatable {
    /// Relative to the result's folder.
    package let name: String
    /// Nil if it was not recorded.
    package let byteCount: Int?
    /// For a weight file.
    package let headerChecksum: SHA256Checksum?
    /// The checksum of the whole file; for weight files only if checksums were requested.
    package let checksum: SHA256Checksum?

    package init(
      name: String, byteCount: Int?, headerChecksum: SHA256Checksum? = nil, checksum: SHA256Checksum? = nil
    ) {
      self.name = name
      self.byteCount = byteCount
      self.headerChecksum = headerChecksum
      self.checksum = checksum
    }
  }

  /// The program's version.
  package let version: String
  /// The command line's options, in order; nil if the text has none and is not the record of a merge.
  package let options: [MergeIdentity.Option]?
  /// Files from outside; files that the merge wrote itself are among ``files``.
  package let inputs: [MergeIdentity.Input]
  package let files: [File]

  /// The record of a merge.
  ///
  /// - Parameters:
  ///   - baseChecksums: The checksums of the base's weight files, in the order of the identity, if they were computed.
  ///   - files: The files of the result.
  package init(_ identity: MergeIdentity, baseChecksums: [SHA256Checksum?], files: [File]) {
    version = identity.version
    options = identity.options
    inputs = identity.inputs.enumerated().compactMap { number, input in
      if input.role == "written" { return nil }
      guard input.role == "base", number < baseChecksums.count else { return input }
      return input.with(checksum: baseChecksums[number])
    }
    self.files = files
  }

  /// The content of the file.
  package var text: [UInt8] {
    var writer = JSONWriter(indentation: 2)
    writer.beginObject()
    writer.member("schema", 1)
    writer.member("safemerge", version)
    writer.member("options", options ?? [])
    writer.list("inputs", inputs) { $0.writeMembers(to: &$1) }
    writer.list("files", files) { file, writer in
      writer.member("name", file.name)
      if let byteCount = file.byteCount { writer.member("size", byteCount) }
      for (name, checksum) in [("header_sha256", file.headerChecksum), ("sha256", file.checksum)] {
        if let checksum { writer.member(name, checksum.description) }
      }
    }
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  /// Parses the text of a record. Anything that is missing or malformed is left out; callers that need it report that.
  package init(text: [UInt8]) throws(JSONError) {
    let value = try JSONParser.parse(text.span)
    version = value.string("safemerge") ?? ""
    if case .object(let members)? = value["options"] {
      options = members.compactMap { member in
        if case .string(let value) = member.value { .init(name: member.key, value: value) } else { nil }
      }
    } else {
      options = nil
    }
    if case .array(let values)? = value["inputs"] {
      inputs = values.compactMap { MergeIdentity.Input($0) }
    } else {
      inputs = []
    }
    switch value["files"] {
    case .object(let members)?: files = members.map { File(name: $0.key, $0.value) }
    case .array(let values)?: files = values.compactMap { value in value.string("name").map { File(name: $0, value) } }
    default: files = []
    }
  }

  /// The path of a result's record.
  package static func path(in folder: String) -> String { Paths.join(folder, ResultMarks.record) }

  /// The record in a folder; nil if there is none.
  ///
  /// - Throws: `CheckpointError` if it cannot be read, `JSONError` if it is not JSON.
  package static func read(in folder: String) throws -> ResultRecord? {
    let path = path(in: folder)
    guard (try? SystemCalls.identity(path: path)) != nil else { return nil }
    return try ResultRecord(text: try BoundedFile.read(path, limit: byteLimit))
  }

  /// The value of an option; nil if it was not given.
  package func option(_ name: String) -> String? { options?.first { $0.name == name }?.value }
}

extension ResultRecord.File {
  fileprivate init(name: String, _ value: JSONValue) {
    self.init(
      name: name, byteCount: value.integer("size"), headerChecksum: value.checksum("header_sha256"),
      checksum: value.checksum("sha256"))
  }
}
