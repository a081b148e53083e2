import Checkpoints
import Platform
import Safetensors

/// The weight files of a checkpoint, and how they are copied.
struct WeightFiles {
  let paths: [String]
  let byteCount: Int
  /// Whether the checkpoint is a folder.
  let isFolder: Bool

  init(base: String) throws {
    let checkpoint = try Checkpoint(path: base)
    paths = checkpoint.files.map(\.path)
    isFolder = checkpoint.folder != nil
    var total = 0
    for path in paths { total += try Self.identity(path).byteCount }
    byteCount = total
    if paths.isEmpty { throw BenchmarkError.noWeights(base) }
  }

  /// What the operating system's `cp` is asked to do.
  func copyCommand(to folder: String) -> [String] { ["cp", "--"] + paths + [folder + "/"] }

  /// Copies the files into `folder` with reads and writes of 4 MiB by one thread of this process.
  func copyPlainly(to folder: String) throws(BenchmarkError) {
    for path in paths {
      try Interruption.check()
      let target = folder + "/" + Self.lastComponent(path)
      let size = try Self.identity(path).byteCount
      let isWhole = try BenchmarkError.attempt(target) { () throws(SystemCalls.Failure) in
        let source = try SystemCalls.openForReading(path)
        defer { try? SystemCalls.close(source) }
        let copy = try SystemCalls.createExclusively(target, mode: 0o666 & ~SystemCalls.userMask)
        defer { try? SystemCalls.close(copy) }
        return try PlainCopy.copy(source, to: copy, byteCount: size)
      }
      if !isWhole { throw .fileChanged(path) }
    }
  }

  /// Brings the files in `folder` and its entries to the disk.
  static func synchronize(_ folder: String) throws(BenchmarkError) {
    try BenchmarkError.attempt(folder) { () throws(SystemCalls.Failure) in
      for entry in try SystemCalls.entries(ofFolder: folder) {
        let descriptor = try SystemCalls.openForReading(folder + "/" + entry)
        defer { try? SystemCalls.close(descriptor) }
        try SystemCalls.synchronizeData(descriptor)
      }
      try SystemCalls.synchronizeFolder(folder)
    }
  }

  private static func lastComponent(_ path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }

  private static func identity(_ path: String) throws(BenchmarkError) -> SystemCalls.Identity {
    let identity = try BenchmarkError.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.identity(path: path)
    }
    guard let identity else { throw .noWeights(path) }
    return identity
  }
}
