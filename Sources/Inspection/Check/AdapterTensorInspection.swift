import JSONText
import Safetensors

/// Looks for tensors of an adapter among those of a model.
struct AdapterTensorInspection {
  let model: InspectedModel

  /// Parts of names that only an adapter's tensors have, or a model's that PEFT has wrapped and nobody merged.
  private static let wrappings: Set<String> = ["base_layer", "modules_to_save", "original_module"]
  private static let factorPrefixes = ["lora_", "hada_", "lokr_", "ia3_", "boft_", "oft_", "vera_lambda_"]

  private static func isAdapters(_ name: TensorName) -> Bool {
    name.string.split(separator: ".").contains { part in
      wrappings.contains(String(part)) || factorPrefixes.contains { part.hasPrefix($0) }
    }
  }

  /// Finds the tensors of an adapter in a model: a class does not read them, and what they would change is lost.
  func inspect(_ log: inout FindingLog) {
    var found: [(tensor: TensorName, file: ModelInspection.File)] = []
    var count = 0
    for file in model.files {
      for name in file.header.tensors.lazy.map(\.name) {
        count += 1
        if Self.isAdapters(name), !isPartOfSVDQuant(name, in: file) { found.append((name, file)) }
      }
    }
    guard let first = found.first else { return }
    if found.count == count, model.config == nil {
      log.notes.append(
        "\(model.path): contains only adapter tensors; to check it as an adapter, put adapter_config.json beside it")
      return
    }
    let what = "\(found.count) of \(count) tensors belong to an adapter, first \(first.tensor)"
    if let key = keyOfOwnFactors {
      log.notes.append("\(model.path): \(what); \(key) in config.json says that the model class uses them")
      return
    }
    let isWrapped = found.contains { $0.tensor.string.contains(".base_layer.") }
    log.findings.append(
      Finding(
        "adapter-tensors", file: first.file.path, tensor: first.tensor,
        "\(what): "
          + (isWrapped
            ? "the model was saved while PEFT had wrapped it, and the model class does not read the wrapped names; save "
              + "the result of merge_and_unload(), or the adapter alone with save_pretrained()"
            : "the model class does not read them, and the adapter is not merged")))
  }

  /// A key of config.json for a class that has low-rank factors itself, such as `vision_lora` of Phi-4 or `lora_rank`.
  private var keyOfOwnFactors: String? {
    guard case .object(let members)? = model.config else { return nil }
    return members.map(\.key).first { $0.hasSuffix("_lora") || $0.hasPrefix("lora_") }
  }

  /// The low-rank part of a weight that nunchaku quantized belongs to the weight.
  private func isPartOfSVDQuant(_ name: TensorName, in file: ModelInspection.File) -> Bool {
    guard name.string.hasSuffix(".lora_down") || name.string.hasSuffix(".lora_up"),
      let dot = name.string.lastIndex(of: ".")
    else { return false }
    let codes = TensorName(name.string[..<dot] + ".qweight")
    return file.header.tensors.contains { $0.name == codes }
  }
}
