import JSONText
import Safetensors

/// The formats of `ls` that are lines for other programs.
enum ListingLines {
  /// Name, dtype, shape, bytes, file; shape with commas, tabs between.
  static func writeTSV(
    _ listings: [Listing], _ tensors: [ListedTensor], to output: inout StandardOutput
  ) throws(StandardOutput.Failure) {
    try output.write("name\tdtype\tshape\tbytes\tfile\n")
    for tensor in tensors {
      let file = listings[tensor.listing].files[tensor.file]
      let info = file.header.tensors[tensor.index]
      let shape = info.shape.map(String.init).joined(separator: ",")
      try output.write(
        "\(tensor.name.escapingUnprintable)\t\(info.dtype.name)\t\(shape)\t\(info.byteCount)\t"
          + "\(file.path.escapingUnprintable)\n")
    }
  }

  static func writeNames(
    _ tensors: [ListedTensor], to output: inout StandardOutput
  ) throws(StandardOutput.Failure) {
    for tensor in tensors { try output.write(tensor.name.escapingUnprintable + "\n") }
  }
}
