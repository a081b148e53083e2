import JSONText
import Safetensors

/// What an adapter is to have factors for.
struct AdapterShape: Sendable {
  var rank: Int
  var alpha: Int
  var isDoRA: Bool
  /// The values of `target_modules`.
  let targets: [String]
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
    self.targets = chosen.sorted()
    let isChosen = Set(chosen.map { Substring($0) })
    modules = model.linearModules.filter { isChosen.contains($0.kind) && $0.layer < layers ?? .max }
  }

  /// The tensors with the names that PEFT 0.21 saves.
  var tensors: [ModelTensor] {
    modules.flatMap { module in
      let prefix = "base_model.model.\(module.name)"
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
    writer.key("r")
    writer.value(rank)
    writer.key("target_modules")
    writer.beginArray()
    for target in targets { writer.value(target) }
    writer.end()
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
