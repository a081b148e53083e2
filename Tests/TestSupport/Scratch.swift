import Foundation
import Platform
import Safetensors

/// A folder for one test's files, removed with the object.
package final class Scratch: Sendable {
  package let path: String

  package init() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("safemerge-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    // What is compared with real paths must be one.
    path = SystemCalls.realPath(folder) ?? folder
  }

  package func file(_ name: String) -> String { path + "/" + name }

  /// Creates a folder; returns its path.
  @discardableResult
  package func folder(_ name: String) throws -> String {
    try FileManager.default.createDirectory(atPath: file(name), withIntermediateDirectories: true)
    return file(name)
  }

  /// Writes a file, in folders that are made for it; returns its path.
  @discardableResult
  package func write(_ bytes: some Sequence<UInt8>, to name: String) throws -> String {
    let url = URL(fileURLWithPath: file(name))
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
    return file(name)
  }

  /// The same with text.
  @discardableResult
  package func write(_ text: String, to name: String) throws -> String { try write(text.utf8, to: name) }

  /// The entries of the folder, hidden ones too, sorted.
  package func entries(_ name: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: name.isEmpty ? path : file(name)).sorted()
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

package func fixturesPath() -> String {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures").path
}

package func contents(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

package func write(_ bytes: some Sequence<UInt8>, to path: String) throws {
  try Data(bytes).write(to: URL(fileURLWithPath: path))
}

/// The permission bits of `path`.
package func mode(_ path: String) throws -> Int {
  var status = stat()
  guard lstat(path, &status) == 0 else { throw POSIXError(.ENOENT) }
  return Int(status.st_mode) & 0o777
}

/// Makes a socket at `path`; returns its descriptor.
package func bindSocket(_ path: String) throws -> Int32 {
  #if os(Linux)
  let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
  #else
  let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
  #endif
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
  let result = withUnsafePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
    }
  }
  guard result == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
  return descriptor
}
