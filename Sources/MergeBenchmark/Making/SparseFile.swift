import Platform
import Safetensors

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// A file whose data is a hole.
enum SparseFile {
  /// Writes `header` to a new file and makes it `byteCount` bytes long.
  static func write(_ path: String, header: [UInt8], byteCount: Int) throws(BenchmarkError) {
    try BenchmarkError.attempt(path) { () throws(SystemCalls.Failure) in
      let descriptor = try SystemCalls.createExclusively(path, mode: 0o666 & ~SystemCalls.userMask)
      defer { try? SystemCalls.close(descriptor) }
      try SystemCalls.write(descriptor, header.span.bytes, at: 0)
      guard ftruncate(descriptor, off_t(byteCount)) == 0 else {
        throw SystemCalls.Failure(call: "ftruncate", code: errno)
      }
    }
  }
}
