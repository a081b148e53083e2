import Checksums
import JSONText
import Safetensors

/// What a result that is a single file says in its own metadata of the merge that made it, as `.safemerge.json` does in a folder: the
/// base, the adapters with their weights, and the options. One JSON text under one key, with no paths and no times.
///
/// The adapters of earlier merges into the same file are kept, so that none is merged twice unnoticed; of a long chain the
/// latest.
package struct FileProvenance: Sendable, Equatable {
  /// An adapter that was merged.
  package struct Adapter: Sendable, Equatable {
    /// Of its file or folder.
    package let name: String
    /// Of its weights.
    package let byteCount: Int
    package let checksum: SHA256Checksum
    /// Nil: it has no config.
    package let configChecksum: SHA256Checksum?
    package let weight: String

    package init(
      name: String, byteCount: Int, checksum: SHA256Checksum, configChecksum: SHA256Checksum?, weight: String
    ) {
      self.name = name
      self.byteCount = byteCount
      self.checksum = checksum
      self.configChecksum = configChecksum
      self.weight = weight
    }
  }

  /// The file that was merged into.
  package struct Base: Sendable, Equatable {
    package let name: String
    package let byteCount: Int
    /// Of N and the header's text.
    package let headerChecksum: SHA256Checksum

    package init(name: String, byteCount: Int, headerChecksum: SHA256Checksum) {
      self.name = name
      self.byteCount = byteCount
      self.headerChecksum = headerChecksum
    }
  }

  /// In a file's metadata.
  package static let metadataKey = "safemerge"
  /// Adapters of earlier merges beyond the latest are only counted.
  private static let largestHistory = 64
  /// No text of a merge is longer.
  private static let largestByteCount = 4 << 20

  /// Of the program that merged.
  package let version: String
  package let base: Base
  package let options: [MergeIdentity.Option]
  /// In the order of the merge.
  package let adapters: [Adapter]
  /// Adapters that were in the base already, the oldest first.
  package let earlier: [Adapter]
  /// How many more were.
  package let omitted: Int

  /// The provenance of a new merge.
  ///
  /// - Parameter previous: What the base says of itself.
  package init(
    version: String, base: Base, options: [MergeIdentity.Option], adapters: [Adapter], after previous: FileProvenance?
  ) {
    self.version = version
    self.base = base
    self.options = options
    self.adapters = adapters
    let all = previous?.allAdapters ?? []
    earlier = Array(all.suffix(Self.largestHistory))
    omitted = (previous?.omitted ?? 0) + all.count - earlier.count
  }

  /// The provenance of a file that adapters were taken out of.
  ///
  /// - Parameters:
  ///   - options: With the command ``unmergeCommand``.
  ///   - adapters: What was taken out, with weights of the opposite sign.
  ///   - merged: What the file says that they were taken out of.
  package init(
    version: String, base: Base, options: [MergeIdentity.Option], takenOut adapters: [Adapter],
    of merged: FileProvenance
  ) {
    self.version = version
    self.base = base
    self.options = options
    self.adapters = adapters
    var remaining = merged.allAdapters
    for adapter in adapters {
      if let place = remaining.lastIndex(where: { $0.checksum == adapter.checksum }) { remaining.remove(at: place) }
    }
    earlier = remaining
    omitted = merged.omitted
  }

  /// What the record of a result says, as the option `command`, of adapters that were taken out.
  package static let unmergeCommand = "unmerge"

  /// Every adapter whose change is in the file.
  package var allAdapters: [Adapter] {
    options.contains { $0.name == "command" && $0.value == Self.unmergeCommand } ? earlier : earlier + adapters
  }

  /// What a file says of itself; nil: nothing, or nothing that can be read.
  package init?(_ metadata: [SafetensorsHeader.MetadataEntry]?) {
    guard let text = metadata?.last(where: { $0.key == Self.metadataKey })?.value else { return nil }
    self.init(text: text)
  }

  init?(text: String) {
    let bytes = Array(text.utf8)
    guard bytes.count <= Self.largestByteCount, let value = try? JSONParser.parse(bytes.span),
      case .integer(1)? = value["schema"], let version = value.string("version"),
      let base = value["base"].flatMap(Base.init), case .object(let members)? = value["options"],
      case .array(let adapters)? = value["adapters"]
    else { return nil }
    self.version = version
    self.base = base
    options = members.compactMap { member in
      if case .string(let value) = member.value { .init(name: member.key, value: value) } else { nil }
    }
    self.adapters = adapters.compactMap(Adapter.init)
    guard self.adapters.count == adapters.count else { return nil }
    if case .array(let values)? = value["earlier"] { earlier = values.compactMap(Adapter.init) } else { earlier = [] }
    omitted = max(0, value.integer("omitted") ?? 0)
  }

  /// The value under ``metadataKey``.
  package var text: String {
    var writer = JSONWriter()
    writer.beginObject()
    writer.member("schema", 1)
    writer.member("version", version)
    writer.member("base") { writer in
      writer.member("name", base.name)
      writer.member("size", base.byteCount)
      writer.member("header_sha256", base.headerChecksum.description)
    }
    writer.member("options") { writer in
      for option in options { writer.member(option.name, option.value) }
    }
    writer.list("adapters", adapters) { $0.writeMembers(to: &$1) }
    if !earlier.isEmpty { writer.list("earlier", earlier) { $0.writeMembers(to: &$1) } }
    if omitted > 0 { writer.member("omitted", omitted) }
    writer.end()
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}

extension FileProvenance.Base {
  fileprivate init?(_ value: JSONValue) {
    guard let name = value.string("name"), let byteCount = value.integer("size"),
      let checksum = value.checksum("header_sha256")
    else { return nil }
    self.init(name: name, byteCount: byteCount, headerChecksum: checksum)
  }
}

extension FileProvenance.Adapter {
  fileprivate init?(_ value: JSONValue) {
    guard let name = value.string("name"), let byteCount = value.integer("size"),
      let checksum = value.checksum("sha256"), let weight = value.string("weight")
    else { return nil }
    self.init(
      name: name, byteCount: byteCount, checksum: checksum, configChecksum: value.checksum("config_sha256"),
      weight: weight)
  }

  fileprivate func writeMembers(to writer: inout JSONWriter) {
    writer.member("name", name)
    writer.member("size", byteCount)
    writer.member("sha256", checksum.description)
    if let configChecksum { writer.member("config_sha256", configChecksum.description) }
    writer.member("weight", weight)
  }
}
