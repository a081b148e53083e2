import JSONText
import Safetensors

/// `ls --metadata`: the `__metadata__` of each file.
enum MetadataText {
  /// One line per entry, `key=value`, under the file's name if there are several files.
  static func write(_ listings: [Listing], to output: inout StandardOutput) throws(StandardOutput.Failure) {
    let files = listings.flatMap(\.files)
    for file in files {
      if files.count > 1 { try output.write("\(file.path.escapingUnprintable)\n") }
      let indentation = files.count > 1 ? "  " : ""
      for entry in file.header.metadata ?? [] {
        try output.write("\(indentation)\("\(entry.key)=\(entry.value)".escapingUnprintable)\n")
      }
    }
  }

  /// File, key and value, tab-separated.
  static func writeTSV(_ listings: [Listing], to output: inout StandardOutput) throws(StandardOutput.Failure) {
    try output.write("file\tkey\tvalue\n")
    for file in listings.lazy.flatMap(\.files) {
      for entry in file.header.metadata ?? [] {
        try output.write([file.path, entry.key, entry.value].map(\.escapingUnprintable).joined(separator: "\t") + "\n")
      }
    }
  }

  /// The distinct keys.
  static func writeNames(_ listings: [Listing], to output: inout StandardOutput) throws(StandardOutput.Failure) {
    var seen: Set<TensorName> = []
    for entry in listings.lazy.flatMap(\.files).flatMap({ $0.header.metadata ?? [] })
    where seen.insert(TensorName(entry.key)).inserted {
      try output.write(entry.key.escapingUnprintable + "\n")
    }
  }
}
