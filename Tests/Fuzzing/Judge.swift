import Foundation
import JSONText
import Platform
import Safetensors

/// Called as `safemerge ls --format json FILE...`: says of each file what that says of its header, in the same form and
/// nothing beside it: `.ci/nightly/differential` holds a million of them against the reference.
@main
struct Judge {
  static func main() throws {
    var writer = JSONWriter()
    var errors = ""
    writer.beginObject()
    writer.key("files")
    writer.beginArray()
    for path in CommandLine.arguments.dropFirst(4) {
      do throws(SafetensorsError) {
        let header = try SafetensorsHeader(path: path)
        writer.beginObject()
        writer.key("path")
        writer.value(path)
        writer.key("tensors")
        writer.beginArray()
        for tensor in header.tensors {
          writer.beginObject()
          writer.key("name")
          writer.value(tensor.name.string)
          writer.key("dtype")
          writer.value(tensor.dtype.name)
          writer.key("shape")
          writer.value(tensor.shape)
          writer.end()
        }
        writer.end()
        writer.end()
      } catch {
        errors += "error: \(error.description.escapingUnprintable) [\(error.errorClass)]\n"
      }
    }
    writer.end()
    writer.end()
    try FileHandle.standardOutput.write(contentsOf: writer.bytes)
    try FileHandle.standardError.write(contentsOf: Array(errors.utf8))
  }
}
