import Adapters
import Checkpoints
import JSONText
import ModelNames
import Safetensors

/// Finds what the tensors of a model are in memory.
package struct LiveParameters {
  private let model: Checkpoint
  private let live: LiveModuleNames
  private let vocabulary: VocabularyTensors
  private let families: OrientationFamilies
  /// The model's own, in the order of its files and their data; tensors that only help to decode others are left out.
  package private(set) var all: [LiveParameter] = []

  /// Reads headers, and the small tensors that say how quantized weights are laid out.
  ///
  /// - Throws: ``PlanError`` for a quantized weight that is not decoded.
  package init(of model: Checkpoint) throws {
    self.model = model
    let quantized = try QuantizedBase(model)
    if let problem = quantized.problem ?? quantized.problems.min(by: { $0.key < $1.key })?.value { throw problem }
    let files = try BaseTensors(model, replication: nil, quantized: quantized).files.map { entries in
      entries.filter { $0.owner == nil && !quantized.isMarker(at: $0.location) }
    }
    let names = files.joined().map(\.name)
    let ties = ModelTies(config: model.config)
    let heads = Set(([ties.head].compactMap { $0 }) + ["lm_head.weight", "score.weight", "classifier.weight"])
    live = LiveModuleNames(
      config: model.config, names: names, prefix: ties.head == nil ? "" : ties.modulePrefix, heads: heads)
    vocabulary = VocabularyTensors(config: model.config, names: names)
    families = OrientationFamilies(model.config)
    for (file, entries) in files.enumerated() {
      for entry in entries {
        let source = model.source(at: entry.location)
        all.append(
          parameter(entry.info, entry.group.map { .codes($0.weight, source) } ?? .numbers(source), file: file))
      }
    }
  }

  /// What a tensor is in memory that the model has, or would have beside its own.
  ///
  /// - Parameters:
  ///   - tensor: As numbers.
  ///   - weight: Its numbers.
  ///   - file: See ``LiveParameter/file``.
  package func parameter(_ tensor: TensorInfo, _ weight: WeightSource, file: Int) -> LiveParameter {
    let name = live.name(of: tensor.name)
    let tied = vocabulary.group(of: tensor.name).map { group in
      group.isTied ? group.members.filter { !$0.isStored }.map(\.live) : []
    }
    return LiveParameter(
      name: name, kind: kind(name, tensor), tensor: tensor, weight: weight, file: file,
      tiedModules: (tied ?? []).filter { $0.hasSuffix(".weight") }.map { String($0.dropLast(".weight".count)) })
  }

  private static let embeddings: Set<Substring> = [
    "wpe", "position_embeddings", "token_type_embeddings", "embed_positions", "position_embedding", "patch_embedding",
  ]

  private func kind(_ name: String, _ tensor: TensorInfo) -> LiveParameter.Kind {
    let components = name.split(separator: ".")
    let (leaf, shape) = (components.last ?? "", tensor.shape)
    if leaf == "bias" { return .bias }
    guard leaf == "weight" else {
      let isStack = shape.count == 3 && components.contains("experts")
      return isStack ? .experts(isTransposed: ModelConfig.stacksExpertsTransposed(model.config)) : .other
    }
    switch shape.count {
    case 2:
      let module = components.dropLast().joined(separator: ".")
      let isEmbedding = vocabulary.embedding == tensor.name || EmbeddingNames.isEmbedding(name)
      if isEmbedding || Self.embeddings.contains(components.dropLast().last ?? "") { return .embedding }
      return isTransposed(module, tensor) ? .transposedLinear : .linear
    case 3...: return .convolution(kernel: Array(shape[2...]))
    default: return .vector
    }
  }

  /// Whether a matrix is stored (in, out): by the family's code; else, of modules with the names of a Conv1D, by a bias, which is as
  /// long as the output.
  private func isTransposed(_ module: String, _ tensor: TensorInfo) -> Bool {
    let place = ModulePlace(module)
    if let known = families.orientation(of: place) { return known == .transposed }
    guard place.isConv1DName, tensor.shape[0] != tensor.shape[1] else { return false }
    let bias = TensorName(tensor.name.string.dropLast("weight".count) + "bias")
    guard let location = model.location(of: bias) else { return false }
    return model.tensor(at: location).shape == [tensor.shape[1]]
  }
}
