import Adapters
import Checkpoints

extension SideFiles {
  /// The side files of a planned merge: none where the base is one file; the tokenizer of the adapter that has one.
  ///
  /// - Throws: ``SeveralTokenizers``, ``CheckpointError``.
  public init(_ plan: MergePlan, base: Checkpoint, adapters: [Adapter]) throws {
    guard let folder = base.folder else {
      self = .none
      return
    }
    var written = Set(base.files.map(\.name) + plan.textFiles.map(\.name)).union(plan.omittedFiles)
    if case .shardedFolder(let indexName) = base.layout { written.insert(indexName) }
    let tokenizers = adapters.map { Paths.folder($0.configPath) }.filter { SideFiles.hasTokenizer($0) }
    guard tokenizers.count <= 1 else { throw SeveralTokenizers(folders: tokenizers) }
    try self.init(base: folder, weightFiles: written, adapter: tokenizers.first)
  }
}

extension OutputPlace {
  /// A place for the merge of `adapters` into `base`, which is none of them nor of their files.
  ///
  /// - Parameters:
  ///   - inputs: More that it may not be and not lie in.
  ///   - isFolder: Whether the result is a folder; nil: if the base is one.
  ///   - force: Whether a model that is there is replaced.
  public init(
    path: String, base: Checkpoint, adapters: [Adapter], inputs: [String] = [], isFolder: Bool? = nil,
    force: Bool = false
  ) throws(CheckpointError) {
    try self.init(
      path: path, isFolder: isFolder ?? (base.folder != nil), inputs: Self.inputPaths(base, adapters) + inputs,
      force: force)
  }

  /// The base, the adapters and their files.
  public static func inputPaths(_ base: Checkpoint, _ adapters: [Adapter]) -> [String] {
    [base.path] + base.files.map(\.path) + adapters.flatMap { [$0.path, $0.weightsPath, $0.configPath] }
  }
}
