import Platform
import Safetensors
import Synchronization

/// Files that are read at many places by many threads: opened when they are first needed, no more than a few at a time.
package final class OpenFiles: Sendable {
  private let files: [(path: String, identity: SystemCalls.Identity)]
  private let open = Mutex<[Int: InputFile]>([:])
  private static let largestOpenCount = 48

  /// - Parameter files: Each with the identity that it had when its header was read.
  package init(_ files: [(path: String, identity: SystemCalls.Identity)]) { self.files = files }

  package func path(of number: Int) -> String { files[number].path }

  /// What the file was when its header was read.
  func identity(of number: Int) -> SystemCalls.Identity { files[number].identity }

  /// Reads bytes of a file to the start of `buffer`, which grows if it has to.
  ///
  /// - Throws: `SafetensorsError`; `file(.changed)` if the file is not the one whose header was read.
  package func read(_ number: Int, _ range: Range<Int>, into buffer: inout [UInt8]) throws(SafetensorsError) {
    let file = try file(number)
    do throws(FileError) { try file.read(range, into: &buffer) } catch { throw SafetensorsError(error) }
  }

  /// The open file.
  func file(_ number: Int) throws(SafetensorsError) -> InputFile {
    if let file = open.withLock({ $0[number] }) { return file }
    let path = files[number].path
    let file = try SafetensorsError.attempt { () throws(FileError) in try InputFile(path: path) }
    guard file.identity == files[number].identity else { throw SafetensorsError(path: file.path, .file(.changed)) }
    open.withLock { open in
      if open.count >= Self.largestOpenCount, let other = open.keys.first(where: { $0 != number }) { open[other] = nil }
      open[number] = file
    }
    return file
  }

  /// Checks that what was read is still what stands there.
  package func checkUnchanged() throws(SafetensorsError) {
    for (path, identity) in files {
      let now = try? SystemCalls.identity(path: path)
      guard now == identity else { throw SafetensorsError(path: path, .file(.changed)) }
    }
  }
}
