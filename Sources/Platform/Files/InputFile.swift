import CSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A regular file opened for reading, closed with the object.
package final class InputFile: Sendable {
  package let path: String
  package let identity: SystemCalls.Identity
  let descriptor: Int32

  package init(path: String) throws(FileError) {
    self.path = path
    do throws(SystemCalls.Failure) {
      descriptor = try SystemCalls.openForReading(path)
    } catch {
      if error.code == SystemCalls.noSuchDevice { throw FileError(path: path, .notARegularFile) }
      throw FileError(path: path, error)
    }
    identity = try FileError.attempt(path) { [descriptor] () throws(SystemCalls.Failure) in
      try SystemCalls.identity(descriptor)
    }
    guard identity.isRegularFile else { throw FileError(path: path, .notARegularFile) }
  }

  package var byteCount: Int { identity.byteCount }

  /// The bytes at `range`, which must lie in the file.
  package func bytes(_ range: Range<Int>) throws(FileError) -> [UInt8] {
    let bytes = try FileError.attempt(path) { [descriptor] () throws(SystemCalls.Failure) in
      try SystemCalls.read(descriptor, byteCount: range.count, at: range.lowerBound)
    }
    guard bytes.count == range.count else { throw FileError(path: path, .changed) }
    return bytes
  }

  /// Reads the bytes at `range`, which must lie in the file, to `place` of `buffer`, which grows if necessary.
  package func read(
    _ range: Range<Int>, into buffer: inout [UInt8], at place: Int = 0
  ) throws(FileError) {
    if buffer.count < place + range.count {
      buffer.append(contentsOf: repeatElement(0, count: place + range.count - buffer.count))
    }
    let count: Int
    do throws(SystemCalls.Failure) {
      count = try SystemCalls.read(
        descriptor, byteCount: range.count, at: range.lowerBound, into: &buffer, place: place)
    } catch { throw FileError(path: path, error) }
    guard count == range.count else { throw FileError(path: path, .changed) }
  }

  /// Bytes that are compared at once.
  private static let comparedByteCount = 1 << 20

  /// Whether a range has the bytes of a range of another file.
  package func hasSameBytes(
    _ range: Range<Int>, as other: InputFile, _ otherRange: Range<Int>
  ) throws(FileError) -> Bool {
    guard range.count == otherRange.count else { return false }
    var (one, another): ([UInt8], [UInt8]) = ([], [])
    for place in stride(from: 0, to: range.count, by: Self.comparedByteCount) {
      let count = min(Self.comparedByteCount, range.count - place)
      let (start, otherStart) = (range.lowerBound + place, otherRange.lowerBound + place)
      try read(start..<start + count, into: &one)
      try other.read(otherStart..<otherStart + count, into: &another)
      guard one[..<count] == another[..<count] else { return false }
    }
    return true
  }

  /// Whether the file is still the one whose header was read, and its path still leads to it.
  package func checkUnchanged() throws(FileError) {
    let (now, named) = try FileError.attempt(path) { [descriptor, path] () throws(SystemCalls.Failure) in
      (try SystemCalls.identity(descriptor), try SystemCalls.identity(path: path))
    }
    guard now == identity, named == identity else { throw FileError(path: path, .changed) }
  }

  /// Whether most of the file is not in the page cache; false where the system cannot tell.
  package var isCold: Bool {
    let places = 16
    let absent = (0..<places).count { sfc_is_cached(descriptor, off_t(byteCount / places * $0)) == 0 }
    return absent > places / 2
  }

  /// Tells other processes of this program that the file is being read, as long as it is open.
  ///
  /// - Returns: False where the page cache or its users cannot be asked, such as on network file systems, where the question
  ///   may take long.
  package func share() -> Bool { sfc_is_cached(descriptor, 0) >= 0 && sfc_share(descriptor) == 0 }

  /// Whether another process, or another open file of this one, told that by ``share()``.
  package var isShared: Bool { sfc_is_shared(descriptor) == 1 }

  /// Tells the system which pages will be read soon.
  package func willNeed(_ range: Range<Int>) {
    sfc_will_need(descriptor, off_t(range.lowerBound), off_t(range.count))
  }

  /// Drops pages that are not needed again from the page cache.
  package func drop(_ range: Range<Int>) {
    sfc_drop(descriptor, off_t(range.lowerBound), off_t(range.count))
  }

  deinit { try? SystemCalls.close(descriptor) }
}
