import Safetensors

/// A tensor of a model, before it has a place in a file.
struct ModelTensor: Equatable, Sendable {
  let name: String
  let shape: [Int]
  let values: ValueKind
  /// Nil: that of the model.
  var dtype: DType? = nil
}

/// A linear layer that an adapter may have factors for, or a stack of experts.
struct LinearModule: Equatable, Sendable {
  /// The path in the model, without `.weight`.
  let name: String
  let outputs: Int
  let inputs: Int
  let layer: Int
  /// Of a stack: how many matrices of `inputs` x `outputs` it has.
  var experts: Int? = nil

  /// The last part of the path: what `target_modules` names.
  var kind: Substring { name.split(separator: ".").last ?? "" }
}

extension ModelShape {
  /// Every tensor under the name that Hugging Face's checkpoints of the family give it, in the order of the modules.
  var tensors: [ModelTensor] {
    if family == .gptOSS { return stackedTensors }
    var tensors = [ModelTensor(name: "model.embed_tokens.weight", shape: [vocabulary, hidden], values: .weight)]
    for layer in 0..<layers {
      tensors.append(norm("model.layers.\(layer).input_layernorm"))
      tensors += attention(layer).map(weight)
      tensors.append(norm("model.layers.\(layer).post_attention_layernorm"))
      if family == .moe {
        tensors.append(
          ModelTensor(
            name: "model.layers.\(layer).block_sparse_moe.gate.weight", shape: [experts, hidden], values: .weight))
      }
      tensors += feedForward(layer).map(weight)
    }
    tensors.append(norm("model.norm"))
    tensors.append(ModelTensor(name: "lm_head.weight", shape: [vocabulary, hidden], values: .weight))
    return tensors
  }

  /// The linear layers that "all-linear" means: all but the head, and but the router of experts.
  var linearModules: [LinearModule] { (0..<layers).flatMap { attention($0) + feedForward($0) } }

  /// What `target_modules` may name, in the order of a layer.
  var targetNames: [String] {
    let attention = ["q_proj", "k_proj", "v_proj", "o_proj"]
    return switch family {
    case .llama: attention + ["gate_proj", "up_proj", "down_proj"]
    case .moe: attention + ["w1", "w2", "w3"]
    case .gptOSS: attention + Self.stacks
    }
  }

  func attention(_ layer: Int) -> [LinearModule] {
    [("q", hidden, hidden), ("k", keyValueSize, hidden), ("v", keyValueSize, hidden), ("o", hidden, hidden)].map {
      LinearModule(
        name: "model.layers.\(layer).self_attn.\($0)_proj", outputs: $1, inputs: $2, layer: layer)
    }
  }

  func feedForward(_ layer: Int) -> [LinearModule] {
    let wide = (outputs: intermediate, inputs: hidden)
    let narrow = (outputs: hidden, inputs: intermediate)
    switch family {
    case .llama:
      return [("gate", wide), ("up", wide), ("down", narrow)].map {
        LinearModule(
          name: "model.layers.\(layer).mlp.\($0)_proj", outputs: $1.outputs, inputs: $1.inputs, layer: layer)
      }
    case .moe:
      return (0..<experts).flatMap { expert in
        [("w1", wide), ("w2", narrow), ("w3", wide)].map {
          LinearModule(
            name: "model.layers.\(layer).block_sparse_moe.experts.\(expert).\($0)", outputs: $1.outputs,
            inputs: $1.inputs, layer: layer)
        }
      }
    case .gptOSS: return expertStacks(layer)
    }
  }

  func weight(_ module: LinearModule) -> ModelTensor {
    ModelTensor(name: module.name + ".weight", shape: [module.outputs, module.inputs], values: .weight)
  }

  func norm(_ module: String) -> ModelTensor {
    ModelTensor(name: module + ".weight", shape: [hidden], values: .normWeight)
  }
}
