import Checkpoints
import Platform
import Safetensors

/// The path of a report about a merge, checked before anything is written.
public struct ReportPlace: Sendable {
  public let path: String
  private let replaces: Bool

  /// Whether the path was that of a file when it was checked.
  package var isTaken: Bool { replaces }

  /// Checks that a report may be written to `path`.
  ///
  /// - Parameters:
  ///   - path: A free name; with `force` also that of a regular file.
  ///   - inputs: The paths of the base and the adapters and of all their files: the report must be none of them and lie
  ///     in none of their folders.
  ///   - output: The merge's result, which the report must not be and not lie in; nil if there is no result.
  ///   - force: Whether an existing file may be replaced.
  public init(path: String, inputs: [String], output: String?, force: Bool) throws(CheckpointError) {
    self.path = path
    let name = Paths.components(path).last ?? ""
    if ["", ".", ".."].contains(name) { throw CheckpointError(path: path, .outputExists) }
    guard let parent = SystemCalls.realPath(Paths.folder(path)),
      try OutputPlace.identity(Paths.folder(path))?.isDirectory == true
    else { throw CheckpointError(path: path, .noParentFolder) }
    let realPath = Paths.join(parent, name)
    try OutputPlace.checkDisjoint(path, realPath: realPath, inputs: inputs)
    if let output, let folder = SystemCalls.realPath(Paths.folder(output)),
      Paths.isBeneath(realPath, Paths.join(folder, Paths.lastComponent(output)))
    {
      throw CheckpointError(path: path, .reportInsideOutput(output))
    }
    let existing = try OutputPlace.identity(path, followingLinks: false)
    replaces = existing != nil
    if let existing, !(force && existing.isRegularFile) { throw CheckpointError(path: path, .outputExists) }
  }

  /// Whether the file at the path has these contents.
  package func holds(_ text: [UInt8]) -> Bool { (try? BoundedFile.read(path, limit: text.count)) == text }

  /// Writes the report atomically.
  public func write(_ text: [UInt8]) throws {
    let file = try OutputFile(path: path, byteCount: text.count)
    try unsafe file.write(text.span.bytes, at: 0)
    do throws(FileError) { try file.commit(replacing: replaces) } catch {
      if case .system(_, SystemCalls.exists) = error.problem { throw CheckpointError(path: path, .outputExists) }
      throw error
    }
    try CheckpointError.attempt(path) { [path] () throws(SystemCalls.Failure) in
      try SystemCalls.synchronizeFolder(Paths.folder(path))
    }
  }
}
