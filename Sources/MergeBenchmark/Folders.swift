import Platform
import Safetensors

/// Folders of a benchmark.
enum Folders {
  /// Makes the folder and those above it, where they are missing.
  static func make(_ path: String) throws(BenchmarkError) {
    let existing = try BenchmarkError.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.identity(path: path)
    }
    if let existing {
      guard existing.isDirectory else { throw .outputExists(path) }
      return
    }
    let parent = parent(of: path)
    if parent != path { try make(parent) }
    try BenchmarkError.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.makeFolder(path, mode: 0o777)
    }
  }

  /// The folder that holds `path`.
  static func parent(of path: String) -> String {
    var parts = path.split(separator: "/", omittingEmptySubsequences: true)
    if !parts.isEmpty { parts.removeLast() }
    let joined = parts.joined(separator: "/")
    if path.utf8.first == UInt8(ascii: "/") { return "/" + joined }
    return joined.isEmpty ? "." : joined
  }

  /// Removes a file, or a folder with all that is in it.
  static func remove(_ path: String) throws(BenchmarkError) {
    try BenchmarkError.attempt(path) { () throws(SystemCalls.Failure) in try removeTree(path) }
  }

  private static func removeTree(_ path: String) throws(SystemCalls.Failure) {
    guard let identity = try SystemCalls.identity(path: path, followingLinks: false) else { return }
    guard identity.isDirectory else { return try SystemCalls.removeFile(path) }
    for entry in try SystemCalls.entries(ofFolder: path) { try removeTree(path + "/" + entry) }
    try SystemCalls.removeFolder(path)
  }
}

/// Files that are written at once.
enum SmallFile {
  static func write(_ path: String, _ bytes: [UInt8]) throws(BenchmarkError) {
    try BenchmarkError.attempt(path) { () throws(SystemCalls.Failure) in
      let descriptor = try SystemCalls.createExclusively(path, mode: 0o666 & ~SystemCalls.userMask)
      defer { try? SystemCalls.close(descriptor) }
      try SystemCalls.write(descriptor, bytes.span.bytes, at: 0)
    }
  }
}
