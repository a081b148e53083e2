import Adapters
import Checkpoints
import Safetensors

extension MergePlanner {
  /// The weights that bitsandbytes has quantized when a model was loaded for training.
  struct QLoRAWeights {
    /// Those that an adapter changes.
    var merged: Set<TensorName> = []
    /// Those of linear layers that none changes.
    var others: Set<TensorName> = []
    var left: [TensorName] = []

    func contains(_ name: TensorName) -> Bool { merged.contains(name) || others.contains(name) }
  }

  /// All linear layers but the head are quantized for QLoRA. What is one is told by the adapters' targets and by the last
  /// component of the modules' names; embeddings and stacks of experts are none.
  ///
  /// - Throws: ``PlanError`` where the live weight has another order of elements than the base's, so that other elements
  ///   shared a scale.
  func qloraWeights() throws(PlanError) -> QLoRAWeights {
    var found = QLoRAWeights()
    guard let training = options.baseWas else { return found }
    if let method = quantized.method {
      throw PlanError(path: base.path, tensor: nil, .training("a base that is quantised (\(method))"))
    }
    var leaves = Self.linearLeaves
    for (name, work) in works.sorted(by: { $0.key < $1.key }) where !work.steps.isEmpty {
      guard isQuantizable(name), !work.isEmbedding, work.replacement == nil else { continue }
      func refused(_ what: String) -> PlanError { PlanError(path: base.path, tensor: name, .training(what)) }
      if work.decomposition != nil { throw refused("a weight that a part is taken out of") }
      if work.isStoredTransposed { throw refused("a weight that is stored transposed") }
      let columns = shape(of: name)?.last ?? 1
      if work.isSliced, training.isNested || columns % training.block != 0 || work.interleaveCount > 1 {
        throw refused("a weight that the live model has in other parts, whose elements shared other scales")
      }
      found.merged.insert(name)
      leaves.insert(Self.leaf(name))
    }
    for entry in baseTensors.files.joined() where !found.merged.contains(entry.name) {
      guard isQuantizable(entry.name), works[entry.name]?.replacement == nil else { continue }
      if leaves.contains(Self.leaf(entry.name)), !isExpert(entry.name) {
        found.others.insert(entry.name)
      } else if !Self.leaf(entry.name).contains("emb") {
        found.left.append(entry.name)
      }
    }
    return found
  }

  /// Whether it may be the weight of a linear layer that is no head.
  private func isQuantizable(_ name: TensorName) -> Bool {
    guard name.string.hasSuffix(".weight"), shape(of: name)?.count == 2, dtype(of: name)?.isMergeable ?? false else {
      return false
    }
    return !vocabulary.names.contains(name) && !EmbeddingNames.isEmbedding(name.string)
      && !EmbeddingNames.isHead(name.string)
  }

  /// Whether it is one of numbered experts, which newer releases of transformers stack and do not quantize.
  private func isExpert(_ name: TensorName) -> Bool {
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
