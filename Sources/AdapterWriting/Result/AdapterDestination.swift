import Adapters
import Checkpoints
import Staging

/// The place of an adapter that is to be written, checked, and locked unless nothing is written.
public struct AdapterDestination: Sendable {
  public let place: OutputPlace
  /// Nil: nothing is written.
  let staging: StagingFolder?

  /// Checks the place before anything is computed.
  ///
  /// - Parameters:
  ///   - path: A free name; with `force` also an adapter or a model that is there. It ends in `.safetensors` if and only if
  ///     the adapter is one file.
  ///   - isFolder: Whether the adapter is a folder.
  ///   - inputs: The paths of all inputs and of their files: the adapter must be none of them and lie in none of their folders.
  ///   - force: Whether what is there is replaced.
  ///   - isDryRun: Whether the place is only checked.
  ///   - breaksLock: Whether the lock is taken from a run that does not appear to run on this machine.
  /// - Throws: `CheckpointError`.
  public init(
    _ path: String, isFolder: Bool, inputs: [String], force: Bool = false, isDryRun: Bool = false,
    breaksLock: Bool = false
  ) throws(CheckpointError) {
    place = try OutputPlace(
      path: path, isFolder: isFolder, inputs: inputs, force: force, replacedNames: [PEFTLayout.configName])
    staging = isDryRun ? nil : try StagingFolder(place, breaksLock: breaksLock)
  }

  /// What has been made so far, for whoever ends the process before the work has begun: files before their folders.
  public var temporaryPaths: [String] { staging.map { [$0.lockPath, $0.path] } ?? [] }
}
