import Safetensors

/// A component's tensors with the index of all their names.
struct ComponentNames: Sendable {
  let component: Component
  /// The names on disk, as the base has them.
  let tensors: [TensorName]
  let shapes: [[Int]]
  let index: ModuleIndex
  /// Its parameters in all spellings.
  let spellings: ComponentSpellings

  /// - Parameters:
  ///   - architecture: Whose tables the names are translated by; nil: they have no other spelling.
  ///   - tensors: Names on disk, names in the component, and shapes.
  init(
    _ component: Component, _ architecture: Architecture?, _ tensors: [(disk: TensorName, own: String, shape: [Int])]
  ) {
    self.component = component
    self.tensors = tensors.map(\.disk)
    shapes = tensors.map(\.shape)
    spellings = ComponentSpellings(component.scheme, architecture, tensors)
    let optional: String? =
      switch component.kind {
      case .clipL, .clipH, .clipG: "text_model."
      case .other: "model."
      case .diffusionModel, .t5, .autoencoder: nil
      }
    var index = ModuleIndex(optionalBeginning: optional, capacity: 3 * tensors.count)
    spellings.add(to: &index)
    self.index = index
  }
}
