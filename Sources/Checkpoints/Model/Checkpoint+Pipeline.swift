import JSONText
import Platform
import Safetensors

extension Checkpoint {
  /// A part of a diffusers pipeline: one model in a folder of its own.
  ///
  /// Its tensors are called `part/name` in the program, because two text encoders have tensors of the same names. In its
  /// files and its index they have their own names.
  public struct Part: Sendable {
    /// The name of its folder: `unet`, `text_encoder_2`.
    public let name: String
    /// The class that `model_index.json` names; nil without that file.
    public let className: String?
    /// A folder with one weight file, or with shards and an index.
    public let layout: Layout
    /// With the tensors' own names, and file names relative to the part's folder.
    public let index: CheckpointIndex?
    /// config.json of the part; nil if there is no such file.
    public let config: JSONValue?
    /// The places of its files in ``Checkpoint/files``.
    public let files: Range<Int>

    /// What precedes the names of its tensors.
    public var prefix: String { name + "/" }

    /// The path of its index in the folder of the pipeline; nil if it has one file.
    public var indexName: String? {
      if case .shardedFolder(let indexName) = layout { Paths.join(name, indexName) } else { nil }
    }
  }

  /// A part as it is opened.
  fileprivate struct Candidate {
    let component: PipelineIndex.Component
    let folder: String
    let variants: [ModelVariant]
    let config: JSONValue?
  }

  /// What a pipeline's folder holds.
  struct OpenedPipeline {
    var files: [File] = []
    var parts: [Part] = []
    var warnings: [String] = []
  }

  /// Opens every part of a pipeline that has safetensors weights.
  ///
  /// A part with pickled weights only does not belong to the model that is merged: its files are copied, and a warning names
  /// it.
  ///
  /// - Throws: ``CheckpointError`` for a part that is missing or has no weights, for several variants without a choice;
  ///   errors of the parts' own files.
  static func openPipeline(
    _ index: PipelineIndex, folder: String, variant: String?, workers: Int
  ) throws -> OpenedPipeline {
    var opened = OpenedPipeline()
    var pickles: [(path: String, problem: CheckpointError.Problem)] = []
    var candidates: [Candidate] = []
    for component in index.components {
      let path = Paths.join(folder, component.name)
      guard try Self.isPlainFolder(path) else {
        guard !component.needsWeights else {
          throw CheckpointError(
            path: Paths.join(folder, PipelineIndex.fileName),
            .missingPart(component.name, className: component.className ?? ""))
        }
        opened.warnings.append("\(path): does not exist, but \(PipelineIndex.fileName) names it")
        continue
      }
      let entries = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
        try SystemCalls.entries(ofFolder: path)
      }
      let config = entries.contains("config.json") ? try readConfig(Paths.join(path, "config.json")) : nil
      let variants = ModelVariant.find(entries, isOfDiffusers: config?["_class_name"] != nil)
      if !variants.isEmpty {
        candidates.append(Candidate(component: component, folder: path, variants: variants, config: config))
        continue
      }
      let problem = WeightSelection.problem(entries)
      if case .pickleOnly(let name) = problem {
        pickles.append((path, problem))
        opened.warnings.append("\(path): \(name) is a Python pickle, which is never opened; it is copied unchanged")
      } else if component.needsWeights {
        throw CheckpointError(path: path, .partWithoutWeights(className: component.className ?? ""))
      }
    }
    guard !candidates.isEmpty else {
      if let pickle = pickles.first { throw CheckpointError(path: pickle.path, pickle.problem) }
      throw CheckpointError(path: folder, .noWeights(others: []))
    }
    try checkVariants(candidates, variant: variant, folder: folder)
    for candidate in candidates { try opened.add(candidate, variant: variant, workers: workers) }
    return opened
  }

  /// Whether a part's folder is there.
  private static func isPlainFolder(_ path: String) throws(CheckpointError) -> Bool {
    let identity = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.identity(path: path, followingLinks: false)
    }
    guard let identity else { return false }
    guard identity.isDirectory else { throw CheckpointError(path: path, .notAPlainFolder) }
    return true
  }

  private static func checkVariants(
    _ candidates: [Candidate], variant: String?, folder: String
  ) throws(CheckpointError) {
    var names: [String] = []
    for name in candidates.flatMap({ $0.variants.map(\.name) }) where !names.contains(name) { names.append(name) }
    if let variant {
      guard names.contains(where: { Paths.areEqual($0, variant) }) else {
        throw CheckpointError(path: folder, .noSuchVariant(variant, found: names))
      }
      return
    }
    let several = candidates.filter { $0.variants.count > 1 }
    guard several.isEmpty else {
      throw CheckpointError(path: folder, .severalVariants(names, parts: several.map(\.component.name)))
    }
  }
}

extension Checkpoint.OpenedPipeline {
  /// Opens a part as the model that it is, and puts its name before those of its tensors and files.
  fileprivate mutating func add(_ candidate: Checkpoint.Candidate, variant: String?, workers: Int) throws {
    let chosen =
      try variant.map { name throws(CheckpointError) in
        try ModelVariant.chosen(name, among: candidate.variants, path: candidate.folder)
      } ?? candidate.variants[0]
    let model = try Checkpoint(
      folder: candidate.folder, try chosen.selection(in: candidate.folder), config: candidate.config, workers: workers)
    let name = candidate.component.name
    let first = files.count
    files += model.files.map { file in
      Checkpoint.File(
        name: Paths.join(name, file.name), path: file.path, header: file.header.qualified(by: name + "/"), part: name)
    }
    parts.append(
      Checkpoint.Part(
        name: name, className: candidate.component.className, layout: model.layout, index: model.index,
        config: candidate.config, files: first..<files.count))
    warnings += model.warnings
  }
}
