import JSONText
import MergeEngine
import MergePlanning
import Platform
import Reports
import Safetensors

/// `ls --shards`: one row per file, and whether the index agrees with the headers; one path after the other.
struct ShardText {
  private let selection: ListSelection
  private let listings: [Listing]
  private let showsBytes: Bool

  init(_ selection: ListSelection, showsBytes: Bool) {
    self.selection = selection
    listings = selection.listings
    self.showsBytes = showsBytes
  }

  private func size(_ byteCount: Int) -> String {
    showsBytes ? NumberText.grouped(byteCount) : NumberText.bytes(byteCount)
  }

  private func rows() -> [(listing: Int, file: Listing.File, parameters: Int)] {
    zip(listings, selection.weights).enumerated().flatMap { place, content in
      let (listing, weights) = content
      return listing.files.enumerated().map { number, file in
        let tensors = file.header.tensors
        return (
          place, file,
          tensors.indices.reduce(0) { sum, index in
            sum
              + weights.parameterCount(
                file: number, index: index, elementCount: tensors.shape(at: index).reduce(1, &*))
          }
        )
      }
    }
  }

  func write(to output: inout StandardOutput, screen: Screen) throws {
    let rows = rows()
    for (number, listing) in listings.enumerated() {
      if number > 0 { try output.write("\n") }
      var table = TextTable(
        [.name("FILE", leastWidth: 14), .right("TENSORS"), .right("PARAMETERS"), .right("HEADER"), .right("SIZE")],
        style: screen.style)
      for row in rows where row.listing == number {
        table.add(row.file.label)
        table.add(NumberText.grouped(row.file.header.tensors.count))
        table.add(NumberText.grouped(row.parameters))
        table.add(size(row.file.header.headerByteCount))
        table.add(size(row.file.header.fileByteCount))
      }
      try table.write(to: &output, width: screen.width)
      for line in screen.wrapped(line(listing).escapingUnprintable) { try output.write(line + "\n") }
    }
  }

  private func line(_ listing: Listing) -> String {
    let files = NumberText.counted(listing.files.count, "file")
    let tensors = NumberText.counted(listing.files.reduce(0) { $0 + $1.header.tensors.count }, "tensor")
    let bytes = size(listing.files.reduce(0) { $0 + $1.header.fileByteCount })
    let line = "\(listing.title)  \(files), \(tensors), \(bytes)"
    guard let index = listing.index else { return line }
    let data = listing.files.reduce(0) { $0 + $1.header.dataByteCount }
    let total = index.totalByteCount.map { size in
      size == data
        ? "total_size is correct"
        : "total_size is \(NumberText.grouped(size)), but the tensors have \(NumberText.grouped(data)) bytes"
    }
    return "\(line); \(index.name) matches the shards, \(total ?? "no total_size")"
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
