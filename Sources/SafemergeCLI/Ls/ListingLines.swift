import Checksums
import Inspection
import JSONText
import Safetensors

/// The line-based formats of `ls` for other programs.
enum ListingLines {
  /// Name, dtype, shape, bytes, file, then the data that was read; tab-separated, the shape with commas.
  static func writeTSV(
    _ listings: [Listing], _ tensors: [ListedTensor], _ data: ListedData, to output: inout StandardOutput
  ) throws(StandardOutput.Failure) {
    let figures = data.figures == nil ? [] : ElementFigures.columns
    let hashes = (data.tensorChecksums == nil ? [] : ["sha256"]) + (data.fileChecksums == nil ? [] : ["file_sha256"])
    try output.write((["name", "dtype", "shape", "bytes", "file"] + figures + hashes).joined(separator: "\t") + "\n")
    for (place, tensor) in tensors.enumerated() {
      let file = listings[tensor.listing].files[tensor.file]
      let info = file.header.tensors[tensor.index]
      let shape = info.shape.map(String.init).joined(separator: ",")
      try output.write(
        "\(tensor.name.escapingUnprintable)\t\(info.dtype.name)\t\(shape)\t\(info.byteCount)\t"
          + file.path.escapingUnprintable)
      if let all = data.figures {
        let cells = all[place]?.fullCells ?? ElementFigures.columns.map { _ in "" }
        try output.write("\t" + cells.joined(separator: "\t"))
      }
      if let checksums = data.tensorChecksums { try output.write("\t\(checksums[place])") }
      if let checksums = data.fileChecksums { try output.write("\t\(checksums[file.path]?.description ?? "")") }
      try output.write("\n")
    }
  }

  static func writeNames(
    _ tensors: [ListedTensor], to output: inout StandardOutput
  ) throws(StandardOutput.Failure) {
    for tensor in tensors { try output.write(tensor.name.escapingUnprintable + "\n") }
  }
}
