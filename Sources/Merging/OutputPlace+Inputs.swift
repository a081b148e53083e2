import Adapters
import Checkpoints
import Staging

extension OutputPlace {
  /// A place for the merge of `adapters` into `base`, which is none of them nor of their files.
  ///
  /// - Parameters:
  ///   - inputs: More that it may not be and not lie in.
  ///   - isFolder: Whether the result is a folder; nil: if the base is one.
  ///   - force: Whether a model that is there is replaced.
  package init(
    path: String, base: Checkpoint, adapters: [Adapter], inputs: [String] = [], isFolder: Bool? = nil,
    force: Bool = false
  ) throws(CheckpointError) {
    try self.init(
      path: path, isFolder: isFolder ?? (base.folder != nil), inputs: Self.inputPaths(base, adapters) + inputs,
      force: force)
  }

  /// The base, the adapters and their files.
  package static func inputPaths(_ base: Checkpoint, _ adapters: [Adapter]) -> [String] {
    [base.path] + base.files.map(\.path) + adapters.flatMap { [$0.path, $0.weightsPath, $0.configPath] }
  }
}
