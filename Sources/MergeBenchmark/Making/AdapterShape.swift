import JSONText
import Safetensors

/// The modules that an adapter has factors for.
struct AdapterShape: Sendable {
  var rank: Int
  var alpha: Int
  var isDoRA: Bool
  /// The values of `target_modules`.
  let targets: [String]
  /// The values of `target_parameters`: stacks of experts.
  let parameters: [String]
  let modules: [LinearModule]

  /// - Parameters:
  ///   - targets: `all-linear`, or names separated by commas, such as `q,v`; `_proj` may be left out.
  ///   - layers: The first layers, that get an adapter; nil: all.
  init(
    _ model: ModelShape, rank: Int, alpha: Int?, isDoRA: Bool, targets: String, layers: Int?
  ) throws(BenchmarkError) {
    guard rank > 0 else { throw .notPositive(option: "--rank", value: rank) }
    if let layers, layers < 1 { throw .notPositive(option: "--adapter-layers", value: layers) }
    self.rank = rank
    self.alpha = alpha ?? 2 * rank
    self.isDoRA = isDoRA
    let known = model.targetNames
    var chosen: [String] = []
    if targets == "all-linear" {
      chosen = known
    } else {
      for part in targets.split(separator: ",", omittingEmptySubsequences: false) {
        guard let name = known.first(where: { $0 == part || $0 == part + "_proj" }) else {
          throw .unknownTarget(String(part), known: known)
        }
        chosen.append(name)
      }
    }
    let stacks = model.family == .gptOSS ? ModelShape.stacks.filter(chosen.contains) : []
    if isDoRA, !stacks.isEmpty { throw .doraOfExperts }
    self.targets = chosen.filter { !stacks.contains($0) }.sorted()
    parameters = stacks.map { "mlp.experts.\($0)" }
    let isChosen = Set(chosen.map { Substring($0) })
    modules = model.linearModules.filter { isChosen.contains($0.kind) && $0.layer < layers ?? .max }
  }

  /// The tensors with the names that PEFT 0.21 saves.
  var tensors: [ModelTensor] {
    modules.flatMap { module in
      let prefix = "base_model.model.\(path(module))"
      let rank = rank * (module.experts ?? 1)
      var tensors = [
        ModelTensor(name: "\(prefix).lora_A.weight", shape: [rank, module.inputs], values: .factorA),
        ModelTensor(name: "\(prefix).lora_B.weight", shape: [module.outputs, rank], values: .factorB),
      ]
      if isDoRA {
        tensors.append(
          ModelTensor(
            name: "\(prefix).lora_magnitude_vector", shape: [module.outputs],
            values: .magnitude(inputs: module.inputs)))
      }
      return tensors
    }
  }

  /// What PEFT calls a module; of two stacks it wraps the first, and what wraps that is the second's.
  private func path(_ module: LinearModule) -> String {
    guard module.experts != nil, let dot = module.name.lastIndex(of: ".") else { return module.name }
    let isInner = parameters.count > 1 && module.kind == ModelShape.stacks[0]
    return module.name[..<dot] + (isInner ? ".base_layer" : "")
  }

  /// The text of adapter_config.json.
  ///
  /// - Parameter layers: Written as `layers_to_transform`; nil for all.
  func configText(layers: Int?) -> [UInt8] {
    var writer = JSONWriter(indentation: 2)
    writer.beginObject()
    writer.key("base_model_name_or_path")
    writer.null()
    writer.key("bias")
    writer.value("none")
    writer.key("fan_in_fan_out")
    writer.value(false)
    writer.key("inference_mode")
    writer.value(true)
    writer.key("init_lora_weights")
    writer.value(true)
    writer.key("layers_to_transform")
    if let layers { writer.value(0..<layers) } else { writer.null() }
    writer.key("lora_alpha")
    writer.value(alpha)
    writer.key("lora_dropout")
    writer.value(0.0)
    writer.key("peft_type")
    writer.value("LORA")
    if !parameters.isEmpty {
      writer.key("peft_version")
      writer.value("0.21.2")
    }
    writer.key("r")
    writer.value(rank)
    writer.key("target_modules")
    writer.beginArray()
    for target in targets { writer.value(target) }
    writer.end()
    if !parameters.isEmpty {
      writer.key("target_parameters")
      writer.beginArray()
      for parameter in parameters { writer.value(parameter) }
      writer.end()
    }
    writer.key("task_type")
    writer.value("CAUSAL_LM")
    writer.key("use_dora")
    writer.value(isDoRA)
    writer.key("use_rslora")
    writer.value(false)
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }
}
