/// gpt-oss, whose experts are stacks of transposed matrices: (experts, inputs, outputs).
extension ModelShape {
  /// What `target_parameters` may name.
  static let stacks = ["gate_up_proj", "down_proj"]

  func expertStacks(_ layer: Int) -> [LinearModule] {
    [(Self.stacks[0], 2 * intermediate, hidden), (Self.stacks[1], hidden, intermediate)].map {
      LinearModule(
        name: "model.layers.\(layer).mlp.experts.\($0)", outputs: $1, inputs: $2, layer: layer, experts: experts)
    }
  }

  var stackedTensors: [ModelTensor] {
    var tensors = [ModelTensor(name: "model.embed_tokens.weight", shape: [vocabulary, hidden], values: .weight)]
    for layer in 0..<layers {
      let path = "model.layers.\(layer)"
      tensors.append(norm("\(path).input_layernorm"))
      for module in attention(layer) {
        tensors.append(weight(module))
        tensors.append(ModelTensor(name: module.name + ".bias", shape: [module.outputs], values: .weight))
      }
      tensors.append(ModelTensor(name: "\(path).self_attn.sinks", shape: [heads], values: .weight))
      tensors.append(norm("\(path).post_attention_layernorm"))
      tensors.append(ModelTensor(name: "\(path).mlp.router.weight", shape: [experts, hidden], values: .weight))
      tensors.append(ModelTensor(name: "\(path).mlp.router.bias", shape: [experts], values: .weight))
      for stack in expertStacks(layer) {
        tensors.append(
          ModelTensor(name: stack.name, shape: [experts, stack.inputs, stack.outputs], values: .weight))
        tensors.append(ModelTensor(name: stack.name + "_bias", shape: [experts, stack.outputs], values: .weight))
      }
    }
    tensors.append(norm("model.norm"))
    tensors.append(ModelTensor(name: "lm_head.weight", shape: [vocabulary, hidden], values: .weight))
    return tensors
  }
}
