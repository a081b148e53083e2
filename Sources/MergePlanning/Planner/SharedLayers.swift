import Adapters
import JSONText
import ModelNames
import Safetensors

/// Layers of an adapter whose factors are another layer's under a second name, because the model has one block for both.
struct SharedLayers {
  let adapter: Adapter
  /// The adapter's number among the plan's inputs.
  let input: Int
  /// The base's config.json.
  let config: JSONValue?

  /// What must be equal for a layer to be left out, to be compared when the merge begins; nil: the layer is no such one.
  func equalities(of layer: AdapterLayer) -> [MergePlan.Equality]? {
    guard let module = SharedModules.first(of: layer.module, config) else { return nil }
    guard
      let twin = adapter.layers.first(where: {
        $0.module.utf8.elementsEqual(module.utf8) && $0.target == layer.target && $0.kind == layer.kind
      }), twin.rank == layer.rank, twin.scaling == layer.scaling, twin.inFeatures == layer.inFeatures,
      twin.outFeatures == layer.outFeatures, layer.kind == .linear, layer.bias == nil, layer.magnitude == nil,
      layer.diagonal == nil, twin.tensorIndices.count == layer.tensorIndices.count
    else { return nil }
    let table = adapter.header
    var equalities: [MergePlan.Equality] = []
    for (one, other) in zip(layer.tensorIndices, twin.tensorIndices) {
      let (rows, columns) = TensorUpdate.matrix(of: table.tensors.shape(at: one))
      guard (rows, columns) == TensorUpdate.matrix(of: table.tensors.shape(at: other)) else { return nil }
      let views = [one, other].map {
        FactorView.rowMajor(MergePlan.Source(table, $0, input: input), rows: rows, columns: columns)
      }
      equalities.append(
        MergePlan.Equality(
          one: views[0], other: views[1], oneName: table.tensors.name(at: one),
          otherName: table.tensors.name(at: other), sharedBy: module))
    }
    return equalities
  }
}
