/// A read-only map of one whole file, unmapped with the object.
///
/// A map shows concurrent writes of other processes, and reading beyond the end of a truncated file kills the
/// process with SIGBUS. Callers compare the file's identity before they trust their results.
@safe
public final class MappedFile: Sendable {
  public let byteCount: Int
  package let file: InputFile
  private nonisolated(unsafe) let base: UnsafeRawPointer?

  public convenience init(path: String) throws(FileError) { try self.init(InputFile(path: path)) }

  package init(_ file: InputFile) throws(FileError) {
    self.file = file
    byteCount = file.byteCount
    guard byteCount > 0 else {
      unsafe base = nil
      return
    }
    unsafe base = try FileError.attempt(file.path) { () throws(SystemCalls.Failure) in
      try unsafe SystemCalls.map(file.descriptor, byteCount: file.byteCount)
    }
  }

  /// Calls `body` with the bytes at `range`, at any alignment, or with an empty span if the range is not inside the
  /// file.
  public func withBytes<Result: ~Copyable, Failure: Error>(
    _ range: Range<Int>, _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard let base = unsafe base, range.lowerBound >= 0, range.upperBound <= byteCount else {
      return try body(RawSpan())
    }
    let span = unsafe RawSpan(_unsafeStart: base + range.lowerBound, byteCount: range.count)
    return try body(span)
  }

  deinit {
    if let base = unsafe base { unsafe SystemCalls.unmap(base, byteCount: byteCount) }
  }
}
