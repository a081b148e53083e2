import Checkpoints
import Platform
import Safetensors

/// The layout of a staging folder.
///
/// `plan.json` identifies the merge; `partial` has files that are being written; `result` has complete files; and
/// `parts` has a `PartRecord` for each complete weight file. Where an adapter is made, `units` has what is made of it.
struct StagingPaths: Sendable {
  let folder: String
  let isFolder: Bool
  /// Tells this run from all others: two that work here at once, where locks do not keep them apart, write no file both.
  var token = "0"

  var result: String { Paths.join(folder, "result") }
  var partial: String { Paths.join(folder, "partial") }
  var parts: String { Paths.join(folder, "parts") }
  var units: String { Paths.join(folder, "units") }
  var plan: String { Paths.join(folder, "plan.json") }
  /// Where a replaced folder or file is kept until it is removed, if names cannot be exchanged.
  var retired: String { Paths.join(folder, "old") }

  /// The path of a complete weight file until the result is moved into place; for a single file with its name in the
  /// plan.
  func weightFile(_ name: String) -> String { Paths.join(result, isFolder ? name : "model.safetensors") }

  /// The path of the complete result, a folder or a single file, until it is moved into place.
  var complete: String { isFolder ? result : weightFile("") }

  /// The path of a weight file while it is written.
  func partialFile(_ number: Int) -> String { Paths.join(partial, "\(number).\(token)") }

  /// The path of the journal of the weight file at `path`.
  static func journal(of path: String) -> String { path + journalSuffix }

  private static let journalSuffix = ".journal"

  /// The files that runs made for a weight file and did not complete, without their journals.
  func partialFiles(_ number: Int) -> [String] {
    let names = (try? SystemCalls.entries(ofFolder: partial)) ?? []
    return names.filter { Self.numberOfPartialFile($0) == number }.map { Paths.join(partial, $0) }
  }

  /// The number of the weight file whose incomplete data has this name; nil for any other name.
  static func numberOfPartialFile(_ name: String) -> Int? {
    let components = name.split(separator: ".")
    return components.count == 2 ? Int(components[0]) : nil
  }

  /// Removes the incomplete data of a weight file and its journals.
  func removePartialFiles(_ number: Int) {
    for entry in (try? SystemCalls.entries(ofFolder: partial)) ?? []
    where entry.split(separator: ".").first.flatMap({ Int($0) }) == number {
      try? SystemCalls.removeFile(Paths.join(partial, entry))
    }
  }

  /// The path of a complete weight file's record.
  func record(of name: String) -> String { Paths.join(parts, Self.fileName(of: name) + ".json") }

  /// The name of a shard, which may lie in a folder, as one component.
  private static func fileName(of name: String) -> String {
    Paths.components(name).map { component in
      String(decoding: component.utf8.flatMap { $0 == UInt8(ascii: "%") ? Array("%25".utf8) : [$0] }, as: UTF8.self)
    }.joined(separator: "%2F")
  }

  /// What the names begin with under which network file systems keep files that were removed while they were open.
  static let keptOpen = [".nfs", ".fuse_hidden"]

  private static let smallPrefix = "small."

  /// A new temporary name for a small file.
  var smallFile: String { Paths.join(partial, Self.smallPrefix + String(UInt64.random(in: 0 ... .max), radix: 36)) }

  /// Small files that were not completed: they have random names and are written again.
  func removeStrays() {
    for entry in (try? SystemCalls.entries(ofFolder: partial)) ?? [] where entry.hasPrefix(Self.smallPrefix) {
      try? SystemCalls.removeFile(Paths.join(partial, entry))
    }
  }

  /// Writes a small file atomically.
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

  /// Creates a folder if it does not exist.
  static func makeFolder(_ path: String) throws(CheckpointError) {
    try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
      if try SystemCalls.identity(path: path, followingLinks: false) == nil {
        try SystemCalls.ensureFolder(path, mode: 0o700)
      }
    }
  }
}
