/// A regular file opened for reading, closed with the object.
package final class InputFile: Sendable {
  package let path: String
  package let identity: SystemCalls.Identity
  let descriptor: Int32

  package init(path: String) throws(SafetensorsError) {
    self.path = path
    do throws(SystemCalls.Failure) {
      descriptor = try SystemCalls.openForReading(path)
    } catch {
      if error.code == SystemCalls.noSuchDevice { throw SafetensorsError(path: path, .notARegularFile) }
      throw SafetensorsError(path: path, .system(call: error.call, code: error.code))
    }
    identity = try Self.attempt(path) { [descriptor] () throws(SystemCalls.Failure) in
      try SystemCalls.identity(descriptor)
    }
    guard identity.isRegularFile else { throw SafetensorsError(path: path, .notARegularFile) }
  }

  package var byteCount: Int { identity.byteCount }

  /// The bytes at `range`, which must lie in the file.
  package func bytes(_ range: Range<Int>) throws(SafetensorsError) -> [UInt8] {
    let bytes = try Self.attempt(path) { [descriptor] () throws(SystemCalls.Failure) in
      try SystemCalls.read(descriptor, byteCount: range.count, at: range.lowerBound)
    }
    guard bytes.count == range.count else { throw SafetensorsError(path: path, .changed) }
    return bytes
  }

  /// Whether the file is still the one whose header was read.
  package func checkUnchanged() throws(SafetensorsError) {
    let now = try Self.attempt(path) { [descriptor] () throws(SystemCalls.Failure) in
      try SystemCalls.identity(descriptor)
    }
    guard now == identity else { throw SafetensorsError(path: path, .changed) }
  }

  static func attempt<Value: ~Copyable>(
    _ path: String, _ body: () throws(SystemCalls.Failure) -> Value
  ) throws(SafetensorsError) -> Value {
    do throws(SystemCalls.Failure) { return try body() } catch {
      throw SafetensorsError(path: path, .system(call: error.call, code: error.code))
    }
  }

  deinit { try? SystemCalls.close(descriptor) }
}
