import Platform
import Safetensors
import Synchronization

/// Files that many threads read at many places: opened when they are first needed, only a few at a time.
package final class OpenFiles: Sendable {
  private let files: [(path: String, identity: SystemCalls.Identity)]
  private let open = Mutex<[Int: InputFile]>([:])
  private static let largestOpenCount = 48

  /// - Parameter files: The files with the identities that they had when their headers were read.
  package init(_ files: [(path: String, identity: SystemCalls.Identity)]) { self.files = files }

  package func path(of number: Int) -> String { files[number].path }

  /// The file's identity when its header was read.
  func identity(of number: Int) -> SystemCalls.Identity { files[number].identity }

  /// Reads bytes of a file to the start of `buffer`, which grows if necessary.
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

  /// Checks that the files have not changed since they were read.
  package func checkUnchanged() throws(SafetensorsError) {
    for (path, identity) in files {
      let now = try? SystemCalls.identity(path: path)
      guard now == identity else { throw SafetensorsError(path: path, .file(.changed)) }
    }
  }
}
