import Safetensors

/// A component as the search finds it.
struct FoundComponent {
  /// A tensor with its name on disk, its name in the component and its shape.
  typealias Tensor = (disk: TensorName, own: String, shape: [Int])

  let component: Component
  /// nil: names have no other spelling.
  let architecture: Architecture?
  let tensors: [Tensor]
}
