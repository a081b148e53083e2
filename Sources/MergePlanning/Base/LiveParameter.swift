import Adapters
import Checkpoints
import JSONText
import ModelNames
import Safetensors

/// A parameter of a model in memory that is one tensor on disk.
package struct LiveParameter: Sendable {
  /// What an adapter can do to it.
  package enum Kind: Sendable, Equatable {
    /// The weight of a linear layer, stored (out, in).
    case linear
    /// The weight of a Conv1D of transformers, stored (in, out).
    case transposedLinear
    /// The weight of an embedding, (rows, dimension).
    case embedding
    /// The weight of a convolution, (out, in, *kernel).
    case convolution(kernel: [Int])
    /// A stack of experts' matrices; transposed: (experts, in, out).
    case experts(isTransposed: Bool)
    /// A bias.
    case bias
    /// A weight that is no matrix, such as a norm's.
    case vector
    /// A parameter that is neither a weight nor a bias.
    case other
  }

  /// Its name in the model in memory, such as `model.layers.0.mlp.up_proj.weight`.
  package let name: String
  package let kind: Kind
  package let tensor: TensorInfo
  /// The place in ``Checkpoint/files``.
  package let file: Int
  /// Modules whose weights are the same parameter and are not on disk, such as a head that is tied to the embedding.
  package let tiedModules: [String]

  /// The module that it belongs to; empty for a parameter of the model itself.
  package var module: String { name.split(separator: ".").dropLast().joined(separator: ".") }

  /// The parameters of a model, in the order of its files and their data.
  package static func all(of model: Checkpoint) -> [LiveParameter] {
    let names = Array(model.tensorNames)
    let ties = ModelTies(config: model.config)
    let heads = Set(([ties.head].compactMap { $0 }) + ["lm_head.weight", "score.weight", "classifier.weight"])
    let live = LiveModuleNames(
      config: model.config, names: names, prefix: ties.head == nil ? "" : ties.prefix, heads: heads)
    let vocabulary = VocabularyTensors(config: model.config, names: names)
    let families = OrientationFamilies(model.config)
    var found: [LiveParameter] = []
    for (file, weights) in model.files.enumerated() {
      for index in weights.header.tensors.indices {
        let tensor = weights.header.tensors[index]
        let name = live.name(of: tensor.name)
        let isEmbedding = vocabulary.embedding == tensor.name
        let kind = kind(name, tensor, isEmbedding: isEmbedding, families, model)
        let group = vocabulary.group(of: tensor.name)
        let tied = group.map { $0.isTied ? $0.members.filter { !$0.isStored }.map(\.live) : [] } ?? []
        found.append(
          LiveParameter(
            name: name, kind: kind, tensor: tensor, file: file,
            tiedModules: tied.filter { $0.hasSuffix(".weight") }.map { String($0.dropLast(".weight".count)) }))
      }
    }
    return found
  }

  private static let embeddings: Set<Substring> = [
    "wpe", "position_embeddings", "token_type_embeddings", "embed_positions", "position_embedding", "patch_embedding",
  ]

  private static func kind(
    _ name: String, _ tensor: TensorInfo, isEmbedding: Bool, _ families: OrientationFamilies, _ model: Checkpoint
  ) -> Kind {
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
      if isEmbedding || EmbeddingNames.isEmbedding(name) || embeddings.contains(components.dropLast().last ?? "") {
        return .embedding
      }
      return isTransposed(module, tensor, families, model) ? .transposedLinear : .linear
    case 3...: return .convolution(kernel: Array(shape[2...]))
    default: return .vector
    }
  }

  /// Whether a matrix is stored (in, out): by the family's code; else, of modules with the names of a Conv1D, by a bias, which is as
  /// long as the output.
  private static func isTransposed(
    _ module: String, _ tensor: TensorInfo, _ families: OrientationFamilies, _ model: Checkpoint
  ) -> Bool {
    let place = ModulePlace(module)
    if let known = families.orientation(of: place) { return known == .transposed }
    guard place.isConv1DName, tensor.shape[0] != tensor.shape[1] else { return false }
    let bias = TensorName(tensor.name.string.dropLast("weight".count) + "bias")
    guard let location = model.location(of: bias) else { return false }
    return model.tensor(at: location).shape == [tensor.shape[1]]
  }
}
