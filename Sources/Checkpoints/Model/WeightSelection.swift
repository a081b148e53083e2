import JSONText
import Platform
import Safetensors

/// Which files of a folder are a model's weights, chosen as transformers 5.24 `from_pretrained` does:
/// `transformers_weights` of config.json, else `model.safetensors`, else `model.safetensors.index.json`; and, what it
/// does not open but can mean one thing only, a complete set of shards without an index.
package enum WeightSelection: Equatable {
  case file(String)
  case index(String)
  /// In their order, all of `model-00001-of-0000N.safetensors`, and what their index is called in a result.
  case shards([String], indexName: String)

  package static let indexName = "model.safetensors.index.json"

  /// Weights of diffusers, and those of a variant, are chosen by ``ModelVariant``.
  ///
  /// - Parameter variant: The variant that the user chose; nil: the folder must have one only.
  /// - Returns: The choice, and warnings about it.
  static func choose(
    folder: String, config: JSONValue?, variant: String? = nil
  ) throws(CheckpointError) -> (selection: WeightSelection, warnings: [String]) {
    if case .string(let name)? = config?["transformers_weights"] {
      guard CheckpointIndex.staysInFolder(name), name.hasSuffix(".safetensors") || name.hasSuffix(".index.json")
      else { throw CheckpointError(path: Paths.join(folder, "config.json"), .unsafeShardName(name)) }
      return (name.hasSuffix(".index.json") ? .index(name) : .file(name), [])
    }
    let entries = try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
      try SystemCalls.entries(ofFolder: folder)
    }
    let isOfDiffusers = config?["_class_name"] != nil
    let variants = ModelVariant.find(entries, isOfDiffusers: isOfDiffusers)
    if let variant {
      guard !variants.isEmpty else { throw CheckpointError(path: folder, problem(entries)) }
      return try ModelVariant.chosen(variant, among: variants, path: folder).selection(in: folder)
    }
    if let first = variants.first, isOfDiffusers || first.stem == ModelVariant.stems[0] {
      guard variants.count == 1 else {
        throw CheckpointError(path: folder, .severalVariants(variants.map(\.name), parts: []))
      }
      return try first.selection(in: folder)
    }
    let hasIndex = entries.contains(indexName)
    if entries.contains("model.safetensors") {
      let warning =
        "holds both model.safetensors and model.safetensors.index.json; "
        + "model.safetensors is used, as transformers does, and the shards are not"
      guard hasIndex else { return (.file("model.safetensors"), []) }
      // Some programs write an index for one file, too.
      let index = try? CheckpointIndex(path: Paths.join(folder, indexName))
      return (
        .file("model.safetensors"), index?.namesOnly("model.safetensors") == true ? [] : ["\(folder): \(warning)"]
      )
    }
    if hasIndex { return (.index(indexName), []) }
    if let shards = try unindexedShards(entries, folder: folder) {
      return (.shards(shards, indexName: indexName), [unindexedWarning(shards, folder: folder)])
    }
    throw CheckpointError(path: folder, problem(entries))
  }

  /// The warning about shards without an index.
  package static func unindexedWarning(
    _ shards: [String], folder: String, _ indexName: String = WeightSelection.indexName
  ) -> String {
    let pattern = shards.first.flatMap { SideFiles.shardPattern($0) } ?? shards.first ?? ""
    return "\(folder): no \(indexName); using all \(shards.count) files \(pattern)"
  }

  /// The only set of shards with the names that `save_pretrained` gives; nil if there is none or more than one. Shards
  /// of a variant, such as `model.fp16-00001-of-00002.safetensors`, are loaded only on request.
  package static func unindexedShards(_ entries: [String], folder: String) throws(CheckpointError) -> [String]? {
    var sets: [String: [(number: Int, count: Int, name: String)]] = [:]
    for name in entries where name.hasPrefix("model-") && name.hasSuffix(".safetensors") {
      guard let shard = SideFileRules.shardNumber(name) else { continue }
      sets["\(shard.prefix)/\(shard.count)/\(shard.suffix)", default: []].append((shard.number, shard.count, name))
    }
    guard sets.count == 1, let set = sets.values.first, let count = set.first?.count else { return nil }
    let numbers = Set(set.map(\.number))
    guard numbers.count == set.count, numbers.allSatisfy({ (1...max(1, count)).contains($0) }) else { return nil }
    guard set.count == count else {
      let missing = (1...count).first { !numbers.contains($0) } ?? 1
      throw CheckpointError(path: folder, .incompleteShards(found: set.count, count: count, firstMissing: missing))
    }
    return set.sorted { $0.number < $1.number }.map(\.name)
  }

  /// Why no weights can be selected.
  package static func problem(_ entries: [String]) -> CheckpointError.Problem {
    let others = entries.filter { name in
      (name.hasSuffix(".safetensors") || name.contains(".safetensors.index.") && name.hasSuffix(".json"))
        && !name.hasPrefix("adapter_model")
    }
    guard others.isEmpty else { return .noWeights(others: others) }
    let pickles = entries.filter {
      [".bin", ".pt", ".pth"].contains(where: $0.hasSuffix) && !$0.hasPrefix("adapter_model")
    }
    let weights = pickles.filter { SideFileRules.exclusion($0, isFolder: false, isRoot: true) == .weights }
    if let pickle = weights.first ?? pickles.first { return .pickleOnly(pickle) }
    return .noWeights(
      others: entries.filter { name in [".gguf", ".h5", ".msgpack", ".onnx"].contains(where: name.hasSuffix) })
  }
}
