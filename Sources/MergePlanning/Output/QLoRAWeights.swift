import Adapters
import Checkpoints
import Safetensors

/// The weights that bitsandbytes quantized when the model was loaded for training: those of all linear layers but the head.
///
/// The adapters' targets and the last component of the modules' names tell which modules are linear layers; embeddings and
/// stacks of experts are none.
struct QLoRAWeights {
  private let shapes: TensorShapes
  /// Those that an adapter changes.
  private(set) var merged: Set<TensorName> = []
  /// Those that no adapter changes.
  private(set) var others: Set<TensorName> = []
  /// Matrices that may have been quantized too: their names do not tell.
  private(set) var left: [TensorName] = []

  /// None, unless the options say how the base was quantized.
  ///
  /// - Throws: ``PlanError`` where the runtime weight has another order of elements than the base's, so that other elements
  ///   shared a scale.
  init(_ inputs: MergeInputs, _ updates: [TensorName: PendingUpdate]) throws(PlanError) {
    shapes = inputs.shapes(with: updates)
    guard let training = inputs.options.qlora else { return }
    let path = inputs.base.path
    if let method = inputs.quantized.method {
      throw PlanError(path: path, tensor: nil, .training("a base that is quantized (\(method))"))
    }
    var leaves = Self.linearLeaves
    for (name, update) in updates.sorted(by: { $0.key < $1.key }) where !update.steps.isEmpty {
      guard isQuantizable(name), !update.isEmbedding, update.replacement == nil else { continue }
      func refused(_ what: String) -> PlanError { PlanError(path: path, tensor: name, .training(what)) }
      if update.decomposition != nil { throw refused("a weight that a part is taken out of") }
      if update.isStoredTransposed { throw refused("a weight that is stored transposed") }
      let columns = shapes.shape(of: name)?.last ?? 1
      if update.isSliced, training.isNested || columns % training.block != 0 || update.interleaveCount > 1 {
        throw refused("a weight that the model in memory has in other parts, whose elements shared other scales")
      }
      merged.insert(name)
      leaves.insert(Self.leaf(name))
    }
    for entry in inputs.baseTensors.files.joined() where !merged.contains(entry.name) {
      guard isQuantizable(entry.name), updates[entry.name]?.replacement == nil else { continue }
      if leaves.contains(Self.leaf(entry.name)), !Self.isExpert(entry.name) {
        others.insert(entry.name)
      } else if !Self.leaf(entry.name).contains("emb") {
        left.append(entry.name)
      }
    }
  }

  func contains(_ name: TensorName) -> Bool { merged.contains(name) || others.contains(name) }

  /// Whether it may be the weight of a linear layer that is no head.
  private func isQuantizable(_ name: TensorName) -> Bool {
    guard name.string.hasSuffix(".weight"), shapes.shape(of: name)?.count == 2,
      shapes.dtype(of: name)?.isMergeable ?? false
    else { return false }
    return !shapes.vocabulary.names.contains(name) && !EmbeddingNames.isEmbedding(name.string)
      && !EmbeddingNames.isHead(name.string)
  }

  /// Whether it is one of numbered experts, which newer releases of transformers stack and do not quantize.
  private static func isExpert(_ name: TensorName) -> Bool {
    let components = name.string.split(separator: ".")
    return zip(components, components.dropFirst()).contains { list, number in
      list == "experts" && number.allSatisfy { $0.isASCII && $0.isNumber }
    }
  }

  /// The component before `weight`.
  private static func leaf(_ name: TensorName) -> String {
    name.string.split(separator: ".").dropLast().last.map(String.init) ?? ""
  }

  /// What the linear layers of transformers' models are called.
  private static let linearLeaves: Set<String> = [
    "q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "out_proj", "gate_proj", "up_proj", "down_proj", "gate_up_proj",
    "q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "in_proj", "x_proj", "dt_proj", "query_key_value",
    "dense", "dense_h_to_4h", "dense_4h_to_h", "Wqkv", "Wi", "Wo", "fc1", "fc2", "fc_in", "fc_out", "linear_fc1",
    "linear_fc2", "query", "key", "value", "qkv", "proj", "wq", "wk", "wv", "wo", "w1", "w2", "w3",
  ]
}
