import Safetensors
import Synchronization

/// Files that are read at many places by many threads: opened when they are first needed, no more than a few at a time.
final class OpenFiles: Sendable {
  private let files: [(path: String, identity: SystemCalls.Identity)]
  private let open = Mutex<[Int: InputFile]>([:])
  private static let largestOpenCount = 48

  /// - Parameter files: Each with the identity that it had when its header was read.
  init(_ files: [(path: String, identity: SystemCalls.Identity)]) { self.files = files }

  func path(of number: Int) -> String { files[number].path }

  /// What the file was when its header was read.
  func identity(of number: Int) -> SystemCalls.Identity { files[number].identity }

  /// Reads bytes of a file to the start of `buffer`, which grows if it has to.
  ///
  /// - Throws: ``SafetensorsError``; `changed` if the file is not the one whose header was read.
  func read(_ number: Int, _ range: Range<Int>, into buffer: inout [UInt8]) throws(SafetensorsError) {
    try file(number).read(range, into: &buffer)
  }

  /// The open file.
  func file(_ number: Int) throws(SafetensorsError) -> InputFile {
    if let file = open.withLock({ $0[number] }) { return file }
    let file = try InputFile(path: files[number].path)
    guard file.identity == files[number].identity else { throw SafetensorsError(path: file.path, .changed) }
    open.withLock { open in
      if open.count >= Self.largestOpenCount, let other = open.keys.first(where: { $0 != number }) { open[other] = nil }
      open[number] = file
    }
    return file
  }

  /// Checks that what was read is still what stands there.
  func checkUnchanged() throws(SafetensorsError) {
    for (path, identity) in files {
      let now = try? SystemCalls.identity(path: path)
      guard now == identity else { throw SafetensorsError(path: path, .changed) }
    }
  }
}
