import JSONText
import Platform

/// The parts of a diffusers pipeline, as `model_index.json` lists them; without it, the folders that hold a part each.
///
/// Source: diffusers 0.42.1, `DiffusionPipeline.from_pretrained` and `load_sub_model`.
package struct PipelineIndex: Equatable {
  package static let fileName = "model_index.json"

  /// A member of `model_index.json` that names a class.
  package struct Component: Equatable {
    /// The name of its folder.
    package let name: String
    /// `diffusers`, `transformers`, or a module of the repository.
    package let library: String
    /// Nil if no index names it.
    package let className: String?

    /// Whether the class has weights, as far as its library and name say: without them the pipeline does not load.
    package var needsWeights: Bool {
      guard let className, ["diffusers", "transformers"].contains(library) else { return false }
      return !["Scheduler", "Tokenizer", "Processor", "FeatureExtractor", "Guider"].contains { className.contains($0) }
    }
  }

  /// Sorted by name.
  package let components: [Component]
  /// Whether there is a `model_index.json`.
  package let isIndexed: Bool

  /// Nil if the folder is not a pipeline.
  ///
  /// Without `model_index.json` it is one if it has neither a config.json nor weights of its own, and a folder in it has the
  /// name and the files of a part: config.json with `_class_name`, and weights beside it. Other names are not enough: a
  /// folder of downloads holds models that have nothing to do with each other.
  ///
  /// - Throws: ``CheckpointError`` for a `model_index.json` that cannot be read.
  package init?(_ folder: String) throws(CheckpointError) {
    let entries = try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
      try SystemCalls.entries(ofFolder: folder)
    }
    isIndexed = entries.contains(Self.fileName)
    if isIndexed {
      components = try Self.components(Paths.join(folder, Self.fileName))
      return
    }
    guard !entries.contains("config.json"), !entries.contains(where: Self.isModelFile) else { return nil }
    let parts = entries.filter(Self.isNameOfPart).map { ($0, Self.isOfDiffusers(Paths.join(folder, $0))) }
    guard parts.contains(where: { $0.1 == true }) else { return nil }
    components = parts.filter { $0.1 != nil }.map { Component(name: $0.0, library: "", className: nil) }
      .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  /// Whether a path in the folder can be a file of the pipeline, by its name: `model_index.json`, or a model's file in the
  /// folder of a component.
  package func holds(_ path: String) -> Bool {
    let words = Paths.components(path)
    guard words.count == 2 else { return path == Self.fileName }
    let name = words[1]
    return components.contains { $0.name == words[0] }
      && (SideFileRules.isPartOfAModel(name, isFolder: false) || name.hasSuffix("config.json")
        || name.contains(".safetensors.") && name.hasSuffix(".json"))
  }

  private static func isModelFile(_ name: String) -> Bool {
    SideFileRules.exclusion(name, isFolder: false, isRoot: true) == .weights || name == "adapter_config.json"
  }

  /// `unet`, `text_encoder`, `transformer_2`: the names of parts in the pipelines of diffusers 0.42.1.
  private static func isNameOfPart(_ name: String) -> Bool {
    var stem = name[...]
    if let last = name.split(separator: "_").last, name.contains("_"), last.allSatisfy(\.isNumber) {
      stem = name.dropLast(last.count + 1)
    }
    return [
      "unet", "transformer", "prior", "decoder", "vae", "vqvae", "movq", "text_encoder", "image_encoder", "controlnet",
      "safety_checker",
    ].contains(String(stem))
  }

  /// Whether the part in a folder is of diffusers; nil if the folder has no weights with a config.json.
  private static func isOfDiffusers(_ folder: String) -> Bool? {
    guard let entries = try? SystemCalls.entries(ofFolder: folder), entries.contains("config.json"),
      let config = try? Checkpoint.readConfig(Paths.join(folder, "config.json"))
    else { return nil }
    let isOfDiffusers = config["_class_name"] != nil
    return ModelVariant.find(entries, isOfDiffusers: isOfDiffusers).isEmpty ? nil : isOfDiffusers
  }

  /// The members with a library and a class. Those that begin with "_" describe the pipeline, and null is a part that was
  /// left out.
  private static func components(_ path: String) throws(CheckpointError) -> [Component] {
    guard case .object(let members) = try Checkpoint.readConfig(path) else { return [] }
    var found: [Component] = []
    for member in members where !member.key.hasPrefix("_") {
      guard case .array(let values) = member.value, values.count == 2, case .string(let library) = values[0],
        case .string(let className) = values[1]
      else { continue }
      guard CheckpointIndex.staysInFolder(member.key), Paths.components(member.key).count == 1 else {
        throw CheckpointError(path: path, .unsafePartName(member.key))
      }
      found.append(Component(name: member.key, library: library, className: className))
    }
    return found.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }
}
