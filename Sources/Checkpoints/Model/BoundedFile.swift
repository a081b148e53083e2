import JSONText
import Platform
import Safetensors

/// Small files that are read into memory.
package enum BoundedFile {
  /// The bytes of the regular file at `path`, at most `limit` of them.
  package static func read(_ path: String, limit: Int) throws(CheckpointError) -> [UInt8] {
    let byteCount: Int
    let bytes: [UInt8]
    do throws(FileError) {
      let file = try InputFile(path: path)
      byteCount = file.byteCount
      bytes = byteCount <= limit ? try file.bytes(0..<byteCount) : []
    } catch {
      switch error.problem {
      case .system(_, SystemCalls.noSuchFile): throw CheckpointError(path: path, .notFound)
      case .system(let call, let code): throw CheckpointError(path: path, .system(call: call, code: code))
      case .changed: throw CheckpointError(path: path, .changed)
      default: throw CheckpointError(path: path, .notAFolder)
      }
    }
    guard byteCount <= limit else {
      throw CheckpointError(path: path, .fileTooLarge(byteCount: byteCount, limit: limit))
    }
    return bytes
  }
}
