import Platform
import Safetensors

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// The plainest copy of a file: read and write, one buffer.
enum PlainCopy {
  private static let pieceByteCount = 4 << 20

  /// Copies `byteCount` bytes; returns false if the source ends before.
  static func copy(_ source: Int32, to target: Int32, byteCount: Int) throws(SystemCalls.Failure) -> Bool {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceByteCount, alignment: 4096)
    defer { buffer.deallocate() }
    var offset = 0
    while offset < byteCount {
      let count = pread(source, buffer.baseAddress, min(pieceByteCount, byteCount - offset), off_t(offset))
      if count < 0 {
        if errno == EINTR { continue }
        throw SystemCalls.Failure(call: "pread", code: errno)
      }
      if count == 0 { return false }
      let bytes = RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      try SystemCalls.write(target, bytes, at: offset)
      offset += count
    }
    return true
  }
}
