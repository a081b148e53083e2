import JSONText
import Safetensors

/// All that the search for a name knows of a base: its tensors' shapes and config.json.
struct BaseView {
  let tensors: any NamedTensors
  let config: JSONValue?

  /// The shape of a tensor as an update finds it; nil: there is no such tensor.
  func shape(of name: TensorName) -> [Int]? { tensors.shape(of: name) }

  /// A tensor by its own name, on disk or one with another that is.
  func tensor(named name: TensorName) -> TensorPlacement? {
    shape(of: name).map { TensorPlacement(whole: tensors.absent(name) ?? name, as: name, shape: $0, rule: nil) }
  }
}
