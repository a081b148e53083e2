import CSystem
import Synchronization

/// A new file that is written at offsets and appears under its name only when it is whole.
///
/// The data goes to a temporary file beside the target, made exclusively; ``commit(replacing:)`` flushes it to disk,
/// gives it the permissions that the user's umask leaves, and renames it. If the object is released before that, the
/// file is removed.
package final class OutputFile: Sendable {
  package let path: String
  /// Where the data is until it is whole.
  package let temporaryPath: String
  private let descriptor: Int32
  private nonisolated(unsafe) var isClosed = false
  private let isKept = Atomic<Bool>(false)
  /// Whether the file system is in memory, where reserving costs as much as writing and no flush is needed.
  private let isInMemory: Bool
  /// Whether copying in the kernel is still attempted.
  private let copiesInKernel: Atomic<Bool>
  private let unstarted = Atomic<Int>(0)

  /// Bytes after which the system is asked to start writing to disk.
  private static let startByteCount = 32 << 20

  /// Makes a file of `byteCount` bytes beside `path`.
  ///
  /// - Parameter reserves: Whether all of its blocks are reserved now; otherwise ``reserve(_:)`` reserves the ranges
  ///   that will be written.
  package convenience init(path: String, byteCount: Int, reserves: Bool = true) throws(FileError) {
    let suffix = String(UInt64.random(in: 0 ... .max), radix: 36)
    try self.init(path: path, temporaryPath: "\(path).tmp.\(suffix)", byteCount: byteCount)
    if reserves { try reserve(0..<byteCount) }
  }

  /// Makes a file of `byteCount` bytes at `temporaryPath`, in a folder that only this process uses, without reserving
  /// blocks.
  ///
  /// - Parameter continues: Whether an existing file is continued; otherwise the name must be free.
  package init(
    path: String, temporaryPath: String, byteCount: Int, continues: Bool = false
  ) throws(FileError) {
    self.path = path
    self.temporaryPath = temporaryPath
    let descriptor = try FileError.attempt(path) { () throws(SystemCalls.Failure) in
      continues
        ? try SystemCalls.openForWriting(temporaryPath) : try SystemCalls.createExclusively(temporaryPath, mode: 0o600)
    }
    self.descriptor = descriptor
    isInMemory = sfc_is_in_memory(descriptor) == 1
    copiesInKernel = Atomic(!isInMemory)
    try FileError.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.setSize(descriptor, byteCount: byteCount)
    }
  }

  /// Reserves the blocks of a range, so that a full disk is detected before the work.
  package func reserve(_ range: Range<Int>) throws(FileError) {
    if isInMemory { return }
    try FileError.attempt(path) { [descriptor] () throws(SystemCalls.Failure) in
      try SystemCalls.allocate(descriptor, range)
    }
  }

  /// Shares the blocks of a range of `source` if possible: the file system must support it, and the range must hold
  /// whole blocks with the same alignment in both files.
  ///
  /// - Parameter range: Counted in the source; it comes to `offset`.
  /// - Returns: The part of the range that is shared, counted in the source; nil if nothing can be shared.
  package func clone(
    _ range: Range<Int>, of source: InputFile, at offset: Int
  ) throws(FileError) -> Range<Int>? {
    let block = SystemCalls.blockByteCount
    guard (range.lowerBound - offset) % block == 0 else { return nil }
    let first = (range.lowerBound + block - 1) / block * block
    let last = range.upperBound / block * block
    guard first < last else { return nil }
    do throws(SystemCalls.Failure) {
      try SystemCalls.cloneRange(
        from: source.descriptor, at: first, to: descriptor, at: offset + first - range.lowerBound,
        byteCount: last - first)
      return first..<last
    } catch {
      if SystemCalls.notSupported.contains(error.code) { return nil }
      throw FileError(path: path, error)
    }
  }

  /// Copies bytes of another file; several threads may write to different places at once.
  ///
  /// - Parameters:
  ///   - range: Counted in the source; it comes to `offset`.
  ///   - buffer: A buffer for bytes that cannot be copied in the kernel.
  package func copy(
    _ range: Range<Int>, of source: InputFile, at offset: Int, through buffer: inout [UInt8]
  ) throws(FileError) {
    if try copyInKernel(range, of: source, at: offset) { return }
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(start + Self.pieceByteCount, range.upperBound)
      try source.read(start..<end, into: &buffer)
      try unsafe write(buffer.span.bytes.extracting(0..<end - start), at: offset + start - range.lowerBound)
      start = end
    }
  }

  /// Copies in the kernel; false if the kernel or the file system did not copy everything.
  private func copyInKernel(
    _ range: Range<Int>, of source: InputFile, at offset: Int
  ) throws(FileError) -> Bool {
    guard copiesInKernel.load(ordering: .relaxed) else { return false }
    let count: Int
    do throws(SystemCalls.Failure) {
      count = try SystemCalls.copyRange(
        from: source.descriptor, at: range.lowerBound, to: descriptor, at: offset, byteCount: range.count)
    } catch {
      guard SystemCalls.notSupported.contains(error.code) else {
        throw FileError(path: path, error)
      }
      copiesInKernel.store(false, ordering: .relaxed)
      return false
    }
    startWriting(count)
    // Some kernels copy nothing from file systems that do not report sizes; reading shows whether there is data.
    if count < range.count { copiesInKernel.store(false, ordering: .relaxed) }
    return count == range.count
  }

  /// Bytes per read and write: they stay in the second-level cache in between.
  package static let pieceByteCount = 256 << 10

  /// Starts writing to disk, so that little is left for the end.
  private func startWriting(_ count: Int) {
    guard !isInMemory else { return }
    if unstarted.add(count, ordering: .relaxed).newValue >= Self.startByteCount {
      unstarted.store(0, ordering: .relaxed)
      sfc_start_writing(descriptor, 0, 0)
    }
  }

  /// Writes all of `bytes` at `offset`; several threads may write to different places at once.
  package func write(_ bytes: RawSpan, at offset: Int) throws(FileError) {
    do throws(SystemCalls.Failure) { try SystemCalls.write(descriptor, bytes, at: offset) } catch {
      throw FileError(path: path, error)
    }
    startWriting(bytes.byteCount)
  }

  /// The file's current identity.
  package func identity() throws(FileError) -> SystemCalls.Identity {
    try FileError.attempt(path) { [descriptor] () throws(SystemCalls.Failure) in
      try SystemCalls.identity(descriptor)
    }
  }

  /// Flushes the data written so far to disk. A failure is final: the content on disk is then unknown.
  package func synchronize() throws(FileError) {
    try FileError.attempt(path) { [descriptor] () throws(SystemCalls.Failure) in
      try SystemCalls.synchronizeData(descriptor)
    }
  }

  /// Keeps the temporary file when the object is released, so that it can be continued later.
  package func keep() { isKept.store(true, ordering: .relaxed) }

  /// Makes the file visible under its name, complete and on disk. Called once, after all writes.
  ///
  /// - Parameters:
  ///   - replacing: Whether a file that has the name may be replaced; otherwise `system` with EEXIST.
  ///   - drops: Whether its pages are dropped from the page cache.
  package func commit(replacing: Bool, drops: Bool = false) throws(FileError) {
    try synchronize()
    if drops { sfc_drop(descriptor, 0, 0) }
    try FileError.attempt(path) { [descriptor] () throws(SystemCalls.Failure) in
      try SystemCalls.setMode(descriptor, 0o666 & ~SystemCalls.userMask)
      unsafe isClosed = true
      try SystemCalls.close(descriptor)
    }
    // A file that had its name from the start.
    guard temporaryPath != path else { return keep() }
    try FileError.attempt(path) { [temporaryPath, path] () throws(SystemCalls.Failure) in
      if replacing {
        guard try !Renaming.replace(path, by: temporaryPath) else { return }
        try SystemCalls.removeFile(path)
        try Renaming.rename(temporaryPath, to: path)
      } else {
        try Renaming.renameWithoutReplacing(temporaryPath, to: path)
      }
    }
    keep()
  }

  deinit {
    if unsafe !isClosed { try? SystemCalls.close(descriptor) }
    if !isKept.load(ordering: .relaxed) { try? SystemCalls.removeFile(temporaryPath) }
  }
}
