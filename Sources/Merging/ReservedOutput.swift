import Checkpoints
import MergePlanning
import Platform
import Staging

/// The place of a result, checked and locked for one merge; what was made for it goes with the last copy.
public struct ReservedOutput: Sendable {
  /// Nil: there is no output.
  package let place: OutputPlace?
  /// Nil: nothing is written.
  let staging: StagingFolder?
  /// Where the factors of combined adapters are until the merge is done; nil: there will be none.
  let workspace: TemporaryFolder?

  init(_ request: MergeRequest) throws {
    place = try request.output.map { path in
      try OutputPlace(
        path: path, base: request.base, adapters: request.adapters.map(\.adapter), inputs: request.protectedPaths,
        isFolder: request.resultIsFolder, force: request.force || request.isInParts)
    }
    // Of parts no place is taken: what is there is looked at when each begins.
    staging =
      try request.isDryRun || request.isInParts
      ? nil : place.map { try StagingFolder($0, breaksLock: request.breaksLock) }
    if request.combination == nil {
      workspace = nil
    } else if let folder = request.temporaryFolder {
      workspace = try TemporaryFolder(in: folder)
    } else {
      workspace = try staging.map { try TemporaryFolder(in: $0) } ?? TemporaryFolder(in: Self.systemFolder)
    }
  }

  private static let systemFolder = "/tmp"

  /// What has been made so far, for whoever ends the process before the merge has begun: files before their folders.
  public var temporaryPaths: [String] {
    var paths: [String] = []
    if let workspace {
      paths += (CombinedAdapter.fileNames + ["lock"]).map { Paths.join(workspace.path, $0) } + [workspace.path]
    }
    if let staging { paths += [staging.lockPath, staging.path] }
    return paths
  }
}
