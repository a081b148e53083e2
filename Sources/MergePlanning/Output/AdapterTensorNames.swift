import Adapters
import JSONText
import Platform
import Safetensors

/// Names that only the tensors of an adapter have, and that a model does not read: one with such a tensor was saved with an
/// adapter in it.
package struct AdapterTensorNames {
  /// Whether the model's own layers have factors, as Phi-4-multimodal's have for speech and images.
  private let areOfModel: Bool

  package init(_ config: JSONValue?) {
    areOfModel = ["speech_lora", "vision_lora"].contains { key in
      if case .object? = config?[key] { true } else { false }
    }
  }

  /// Whether a tensor of a model is left of an adapter.
  package func isLeft(_ name: TensorName) -> Bool { !areOfModel && Self.isPart(name) }

  /// Whether a name has a component that PEFT puts there.
  package static func isPart(_ name: TensorName) -> Bool {
    guard words.hasWord(in: name.string) else { return false }
    let components = name.string.split(separator: ".")
    // torch's own way of computing a weight, by which some models have factors that they read themselves.
    if components.contains("parametrizations") { return false }
    if components.contains(where: markers.contains) { return true }
    // Other models have a layer that is called so, with layers in it.
    return components.count >= 2 && components[components.count - 2] == "base_layer"
  }

  private static let markers = Set(
    Tuners.markers.union(["modules_to_save", "original_module", "token_adapter"]).map { Substring($0) })
  /// What no name of most models has, so that its components need not be cut out.
  private static let words = WordSet(markers.map(String.init) + ["base_layer"])
}
