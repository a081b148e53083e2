import Checkpoints
import Platform
import Safetensors

/// What lies where in a staging folder.
///
/// `plan.json` says what merge it is; `partial` has what is being written; `result` the files that are complete; and `parts`
/// a `PartRecord` for each complete weight file.
struct StagingPaths: Sendable {
  let folder: String
  let isFolder: Bool

  var result: String { Paths.join(folder, "result") }
  var partial: String { Paths.join(folder, "partial") }
  var parts: String { Paths.join(folder, "parts") }
  var plan: String { Paths.join(folder, "plan.json") }
  /// Where a folder or file that was replaced is until it is removed, where names cannot be exchanged.
  var retired: String { Paths.join(folder, "old") }

  /// Where a complete weight file is until the result gets its name; of a single file whatever it is called in the plan.
  func weightFile(_ name: String) -> String { Paths.join(result, isFolder ? name : "model.safetensors") }

  /// Where the complete result is until it gets its name: a folder, or the one file.
  var complete: String { isFolder ? result : weightFile("") }

  /// Where a weight file is while it is written.
  func partialFile(_ number: Int) -> String { Paths.join(partial, "\(number)") }

  /// Where the journal of a weight file is while that is written.
  func journal(_ number: Int) -> String { partialFile(number) + ".journal" }

  /// Where the record of a complete weight file is.
  func record(of name: String) -> String { Paths.join(parts, Self.fileName(of: name) + ".json") }

  /// The name of a shard, which may lie in a folder, as one component.
  private static func fileName(of name: String) -> String {
    Paths.components(name).map { component in
      String(decoding: component.utf8.flatMap { $0 == UInt8(ascii: "%") ? Array("%25".utf8) : [$0] }, as: UTF8.self)
    }.joined(separator: "%2F")
  }

  private static let smallPrefix = "small."

  /// A new name for a small file that is being written.
  var smallFile: String { Paths.join(partial, Self.smallPrefix + String(UInt64.random(in: 0 ... .max), radix: 36)) }

  /// Small files that were being written: they have random names, and are written again.
  func removeStrays() {
    for entry in (try? SystemCalls.entries(ofFolder: partial)) ?? [] where entry.hasPrefix(Self.smallPrefix) {
      try? SystemCalls.removeFile(Paths.join(partial, entry))
    }
  }

  /// Writes a small file, whole or not at all.
  func write(_ bytes: [UInt8], to path: String) throws(CheckpointError) {
    do throws(FileError) {
      let file = try OutputFile(path: path, temporaryPath: smallFile, byteCount: bytes.count)
      try file.reserve(0..<bytes.count)
      try unsafe file.write(bytes.span.bytes, at: 0)
      try file.commit(replacing: true)
    } catch {
      guard case .system(let call, let code) = error.problem else { throw CheckpointError(path: path, .changed) }
      throw CheckpointError(path: path, .system(call: call, code: code))
    }
  }

  /// Makes a folder if it is not there.
  static func makeFolder(_ path: String) throws(CheckpointError) {
    try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
      if try SystemCalls.identity(path: path, followingLinks: false) == nil {
        try SystemCalls.makeFolder(path, mode: 0o700)
      }
    }
  }
}
