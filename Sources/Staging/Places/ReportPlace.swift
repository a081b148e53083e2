import Checkpoints
import Platform
import Safetensors

/// The path of a report about a merge, checked before anything is written.
public struct ReportPlace: Sendable {
  public let path: String
  private let option: String
  private let replaces: Bool

  /// Whether the path was that of a file when it was checked.
  package var isTaken: Bool { replaces }

  /// Checks that a report may be written to `path`.
  ///
  /// - Parameters:
  ///   - path: A free name; with `force` also that of a regular file. Not in a folder of unfinished work.
  ///   - option: The option that gave the path, for errors.
  ///   - inputs: The paths of the base and the adapters and of all their files: the report must be none of them and lie
  ///     in none of their folders.
  ///   - output: The merge's result, which the report must not be and not lie in; nil if there is no result.
  ///   - force: Whether an existing file may be replaced.
  /// - Throws: ``ReportPlaceError``; `CheckpointError` for a path that this user may not look at.
  public init(path: String, option: String = "--report", inputs: [String], output: String?, force: Bool) throws {
    (self.path, self.option) = (path, option)
    func refusal(_ problem: ReportPlaceError.Problem) -> ReportPlaceError {
      ReportPlaceError(path: path, problem: problem, option: option)
    }
    if Paths.lastComponent(path).isEmpty { throw refusal(.notAFile) }
    // Before the folders around it are asked for: a hint to make them would be followed in vain.
    if let resolved = ResolvedPath(path) {
      do throws(CheckpointError) {
        try OutputPlace.checkDisjoint(path, realPath: resolved.path, inputs: inputs)
      } catch {
        guard let problem = Self.problem(error) else { throw error }
        throw refusal(problem)
      }
      if let output, let result = ResolvedPath(output), Paths.isBeneath(resolved.path, result.path) {
        throw refusal(.insideOutput(output))
      }
      if let work = resolved.workFolder { throw refusal(.insideWork(work)) }
    }
    let folder = Paths.folder(path)
    guard try OutputPlace.identity(folder)?.isDirectory == true else {
      throw refusal(ResolvedPath.obstacle(folder).map { .parentNotAFolder($0) } ?? .noParentFolder)
    }
    let existing = try OutputPlace.identity(path, followingLinks: false)
    replaces = existing != nil
    if path.utf8.last == UInt8(ascii: "/") || existing?.isRegularFile == false { throw refusal(.notAFile) }
    if replaces, !force { throw refusal(.exists(isReplaceable: true)) }
  }

  /// What is wrong with the path of a report, which is checked as an output is.
  private static func problem(_ error: CheckpointError) -> ReportPlaceError.Problem? {
    switch error.problem {
    case .outputIsInput(let input): .isInput(input)
    case .outputInsideInput(let input): .insideInput(input)
    case .inputInsideOutput(let input): .containsInput(input)
    default: nil
    }
  }

  /// The error where another file has the path by now.
  package var taken: ReportPlaceError {
    ReportPlaceError(path: path, problem: .exists(isReplaceable: false), option: option)
  }

  /// Whether the file at the path has these contents.
  package func holds(_ text: [UInt8]) -> Bool { (try? BoundedFile.read(path, limit: text.count)) == text }

  /// Writes the report atomically.
  ///
  /// - Throws: ``ReportPlaceError`` if another file has the path by now; `FileError`, `CheckpointError`.
  public func write(_ text: [UInt8]) throws {
    let file = try OutputFile(path: path, byteCount: text.count)
    try unsafe file.write(text.span.bytes, at: 0)
    do throws(FileError) { try file.commit(replacing: replaces) } catch {
      if case .system(_, SystemCalls.exists) = error.problem { throw taken }
      throw error
    }
    try CheckpointError.attempt(path) { [path] () throws(SystemCalls.Failure) in
      try SystemCalls.synchronizeFolder(Paths.folder(path))
    }
  }
}
