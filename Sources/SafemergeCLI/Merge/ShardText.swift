import JSONText
import MergeEngine
import MergePlanning
import Platform
import Reports
import Safetensors

/// `ls --shards`: one row per file, and whether the index agrees with the headers.
struct ShardText {
  private let selection: ListSelection
  private let listings: [Listing]
  private let showsBytes: Bool

  init(_ selection: ListSelection, showsBytes: Bool) {
    self.selection = selection
    listings = selection.listings
    self.showsBytes = showsBytes
  }

  private func size(_ byteCount: Int) -> String { showsBytes ? String(byteCount) : NumberText.bytes(byteCount) }

  private func rows() -> [(listing: Listing, file: Listing.File, parameters: Int)] {
    zip(listings, selection.weights).flatMap { listing, weights in
      listing.files.enumerated().map { number, file in
        let tensors = file.header.tensors
        return (
          listing, file,
          tensors.indices.reduce(0) { sum, index in
            sum
              + weights.parameterCount(
                file: number, index: index, elementCount: tensors.shape(at: index).reduce(1, &*))
          }
        )
      }
    }
  }

  func write(to output: inout StandardOutput, style: TextStyle) throws {
    var table = TextTable(
      header: ["FILE", "TENSORS", "PARAMETERS", "HEADER", "SIZE"],
      alignments: [.left, .right, .right, .right, .right], style: style)
    for row in rows() {
      table.add(listings.count > 1 ? row.file.path : row.file.label)
      table.add(NumberText.grouped(row.file.header.tensors.count))
      table.add(NumberText.grouped(row.parameters))
      table.add(size(row.file.header.headerByteCount))
      table.add(size(row.file.header.fileByteCount))
    }
    try table.write(to: &output)
    for listing in listings {
      try output.write("\(line(listing).escapingUnprintable)\n")
    }
  }

  private func line(_ listing: Listing) -> String {
    let files = NumberText.counted(listing.files.count, "file")
    let tensors = NumberText.counted(listing.files.reduce(0) { $0 + $1.header.tensors.count }, "tensor")
    let bytes = size(listing.files.reduce(0) { $0 + $1.header.fileByteCount })
    let line = "\(listing.title)  \(files), \(tensors), \(bytes)"
    guard let index = listing.index else { return line }
    let data = listing.files.reduce(0) { $0 + $1.header.dataByteCount }
    let total = index.totalByteCount.map { $0 == data ? "total_size right" : "total_size \($0) in place of \(data)" }
    return "\(line); \(index.name) names each tensor in its shard, \(total ?? "no total_size")"
  }

  /// Path, tensors, parameters, bytes of the header and of the file, tab-separated.
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
