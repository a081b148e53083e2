import JSONText

/// The weight files of a result, for whoever looks at its parts without a plan: a function of the plan, so that all write the same.
struct PartsFileList {
  /// Names relative to the result's folder, and bytes.
  let files: [(name: String, byteCount: Int)]

  init(_ files: [(name: String, byteCount: Int)]) { self.files = files }

  var text: [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.list("files", files) { file, writer in
      writer.member("name", file.name)
      writer.member("size", file.byteCount)
    }
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }

  /// Parses a ``text``; nil for anything else.
  init?(text: [UInt8]) {
    guard let value = try? JSONParser.parse(text.span), case .array(let values)? = value["files"] else { return nil }
    files = values.compactMap { value in
      guard let name = value.string("name"), let byteCount = value.integer("size") else { return nil }
      return (name, byteCount)
    }
    guard files.count == values.count else { return nil }
  }
}
