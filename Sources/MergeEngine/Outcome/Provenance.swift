import Checkpoints
import Checksums
import JSONText
import MergePlanning
import Staging

/// What `.safemerge.json` in a result says: what it was made from, how, and what it consists of. No times and no paths: the
/// same merge gives the same text anywhere.
struct Provenance {
  static let fileName = ResultMarks.record
  /// More than any has.
  static let byteLimit = 64 << 20

  /// A file of the result.
  struct File {
    let name: String
    let byteCount: Int
    /// Of a weight file.
    var headerChecksum: SHA256Checksum?
    /// Of the whole file; of weight files only where checksums are asked for.
    var checksum: SHA256Checksum?
  }

  let identity: MergeIdentity
  /// Of the base's weight files, in the order of the identity, where they were computed.
  let baseChecksums: [SHA256Checksum?]
  let files: [File]

  var text: [UInt8] {
    var writer = JSONWriter(indentation: 2)
    writer.beginObject()
    writer.member("schema", 1)
    writer.member("safemerge", identity.version)
    writer.member("options", identity.options)
    writer.key("inputs")
    writer.beginArray()
    for (number, input) in identity.inputs.enumerated() where input.role != "written" {
      let isBase = input.role == "base" && number < baseChecksums.count
      input.write(to: &writer, checksum: isBase ? baseChecksums[number] : input.checksum)
    }
    writer.end()
    writer.list("files", files) { file, writer in
      writer.member("name", file.name)
      writer.member("size", file.byteCount)
      for (name, checksum) in [("header_sha256", file.headerChecksum), ("sha256", file.checksum)] {
        if let checksum { writer.member(name, checksum.description) }
      }
    }
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }
}
