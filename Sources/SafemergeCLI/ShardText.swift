import JSONText
import MergeEngine
import Safetensors

/// `ls --shards`: a row a file, and whether the index says the same as the headers.
struct ShardText {
  private let listings: [Listing]
  private let showsBytes: Bool

  init(_ listings: [Listing], showsBytes: Bool) {
    self.listings = listings
    self.showsBytes = showsBytes
  }

  private func size(_ byteCount: Int) -> String { showsBytes ? String(byteCount) : Quantities.bytes(byteCount) }

  private func rows() -> [(listing: Listing, file: Listing.File, parameters: Int)] {
    listings.flatMap { listing in
      listing.files.map { file in (listing, file, file.header.tensors.reduce(0) { $0 + $1.elementCount }) }
    }
  }

  func write(to output: inout StandardOutput, style: TextStyle) throws {
    var table = TextTable(
      header: ["FILE", "TENSORS", "PARAMETERS", "HEADER", "SIZE"],
      alignments: [.left, .right, .right, .right, .right], style: style)
    for row in rows() {
      table.add(listings.count > 1 ? row.file.path : row.file.label)
      table.add(Quantities.grouped(row.file.header.tensors.count))
      table.add(Quantities.grouped(row.parameters))
      table.add(size(row.file.header.headerByteCount))
      table.add(size(row.file.header.fileByteCount))
    }
    try table.write(to: &output)
    for listing in listings {
      try output.write("\(line(listing).escapingUnprintable)\n")
    }
  }

  private func line(_ listing: Listing) -> String {
    let files = Quantities.counted(listing.files.count, "file")
    let tensors = Quantities.counted(listing.files.reduce(0) { $0 + $1.header.tensors.count }, "tensor")
    let bytes = size(listing.files.reduce(0) { $0 + $1.header.fileByteCount })
    let line = "\(listing.title)  \(files), \(tensors), \(bytes)"
    guard let index = listing.index else { return line }
    let data = listing.files.reduce(0) { $0 + $1.header.dataByteCount }
    let total = index.totalByteCount.map { $0 == data ? "total_size right" : "total_size \($0) in place of \(data)" }
    return "\(line); \(index.name) names each tensor in its shard, \(total ?? "no total_size")"
  }

  /// Path, tensors, parameters, bytes of the header and of the file; tabs between.
  func writeTSV(to output: inout StandardOutput) throws(StandardOutput.Failure) {
    try output.write("file\ttensors\tparameters\theader_bytes\tbytes\n")
    for row in rows() {
      let header = row.file.header
      try output.write(
        "\(row.file.path.escapingUnprintable)\t\(header.tensors.count)\t\(row.parameters)\t\(header.headerByteCount)\t"
          + "\(header.fileByteCount)\n")
    }
  }

  func writeNames(to output: inout StandardOutput) throws(StandardOutput.Failure) {
    for row in rows() { try output.write(row.file.path.escapingUnprintable + "\n") }
  }
}
