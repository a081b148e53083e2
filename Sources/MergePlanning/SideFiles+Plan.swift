import Adapters
import Checkpoints
import JSONText
import Platform

extension SideFiles {
  /// The copied files of a planned merge: none where the base is one file; the tokenizer of the adapter that has one.
  ///
  /// - Throws: ``SeveralTokenizers``, ``CheckpointError``.
  public init(
    _ plan: MergePlan, base: Checkpoint, adapters: [Adapter], selection: Selection = Selection()
  ) throws {
    guard let folder = base.folder else {
      if let pattern = selection.include.first {
        throw CheckpointError(path: base.path, .nothingToInclude(pattern: pattern))
      }
      self = .none
      return
    }
    var written = Set(base.files.map(\.name) + plan.shards.map(\.name) + plan.textFiles.map(\.name))
    written.formUnion(plan.omittedFiles)
    if case .shardedFolder(let indexName) = base.layout { written.insert(indexName) }
    written.formUnion(base.parts.compactMap(\.indexName))
    // What is beside an adapter that is one file belongs to others.
    let folders = adapters.filter { !$0.isFile }.map { Paths.folder($0.configPath) }
    let tokenizers = folders.filter { SideFiles.hasTokenizer($0) }
    for other in tokenizers.dropFirst() where try !SideFiles.haveEqualTokenizers(tokenizers[0], other) {
      throw SeveralTokenizers(folders: tokenizers)
    }
    try self.init(
      base: folder, written: written, checkpoint: base, adapter: tokenizers.first, mergedFolders: folders,
      losesQuantization: try plan.losesQuantization(of: base), selection: selection)
  }
}

extension MergePlan {
  /// Whether weights that the base has as codes are numbers in the result, whose config.json names no quantization.
  func losesQuantization(of base: Checkpoint) throws -> Bool {
    guard let quantization, quantization.decoded > 0 else { return false }
    guard let text = textFiles.first(where: { $0.name == "config.json" })?.text else {
      return base.config?["quantization_config"] == nil
    }
    let config = try JSONParser.parseLenient(text.span)
    return config["quantization_config"] == nil
  }
}
