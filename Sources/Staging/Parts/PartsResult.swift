import Checkpoints
import Checksums
import Platform
import Synchronization

/// The folder that one finisher puts together: each file is written once, by its own name.
package final class PartsResult: ResultFolder {
  private let path: String
  private let shared: any SharedFolder
  private let written = Mutex<[String]>([])

  /// - Parameter path: A folder that only this process knows.
  package init(path: String, shared: any SharedFolder) {
    self.path = path
    self.shared = shared
  }

  /// The names of the files that were written.
  package var names: [String] { written.withLock { $0 } }

  package func write(_ name: String, _ bytes: [UInt8]) throws(CheckpointError) {
    try shared.write(bytes, to: try place(of: name))
  }

  package func copy(_ side: SideFiles.File, interruption: Interruption) throws -> SHA256Checksum {
    if let text = side.text {
      try write(side.name, text)
      return SHA256Checksum(of: text)
    }
    let target = try place(of: side.name)
    return try side.copy(to: target, through: target, interruption)
  }

  /// The path of a file, whose folders are made.
  private func place(of name: String) throws(CheckpointError) -> String {
    var folder = path
    for component in Paths.components(name).dropLast() {
      folder = Paths.join(folder, component)
      try shared.makeFolder(folder)
    }
    written.withLock { $0.append(name) }
    return Paths.join(path, name)
  }
}
