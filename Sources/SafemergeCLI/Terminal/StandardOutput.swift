import Platform
import Safetensors

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Buffered standard output with checked writes: `print` ignores a full disk.
struct StandardOutput: ~Copyable {
  struct Failure: ReportableError {
    let code: Int32
    var errorClass: String { "system" }
    var category: ErrorCategory { .inputOutput }
    var file: String? { "standard output" }
    var message: String { "write: \(SystemCalls.text(of: code))" }
  }

  private var buffer: [UInt8] = []
  private static let bufferByteCount = 1 << 16

  mutating func write(_ text: String) throws(Failure) {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= Self.bufferByteCount { try flush() }
  }

  mutating func write(_ bytes: [UInt8]) throws(Failure) {
    buffer.append(contentsOf: bytes)
    if buffer.count >= Self.bufferByteCount { try flush() }
  }

  private mutating func flush() throws(Failure) {
    let code = StandardStreams.write(buffer, to: STDOUT_FILENO)
    buffer.removeAll(keepingCapacity: true)
    // The reader closed the pipe: the program ends without a message, even if SIGPIPE is ignored.
    if code == EPIPE { Signals.end(by: SIGPIPE) }
    if code != 0 { throw Failure(code: code) }
  }

  /// Flushes and closes; some file systems report a full disk only then.
  consuming func finish() throws(Failure) {
    try flush()
    if close(STDOUT_FILENO) != 0, errno != EINTR { throw Failure(code: errno) }
  }
}
