import Adapters
import JSONText
import ModelNames
import Safetensors

/// Updates of an adapter whose factors are another module's under a second name, because the model has one block for both.
struct SharedUpdates {
  let adapter: Adapter
  /// The adapter's number among the plan's inputs.
  let input: Int
  /// The base's config.json.
  let config: JSONValue?

  /// What must be equal for an update to be left out, to be compared when the merge begins; nil: the update is no such one.
  func equalities(of update: ModuleUpdate) -> [MergePlan.Equality]? {
    guard let module = SharedModules.first(of: update.module, config) else { return nil }
    guard
      let twin = adapter.updates.first(where: {
        $0.module.utf8.elementsEqual(module.utf8) && $0.target == update.target && $0.layout == update.layout
      }), twin.rank == update.rank, twin.scaling == update.scaling, twin.inFeatures == update.inFeatures,
      twin.outFeatures == update.outFeatures, update.layout == .linear, update.bias == nil,
      update.steps.allSatisfy(\.isPlainProduct), twin.tensorIndices.count == update.tensorIndices.count
    else { return nil }
    let table = adapter.header
    var equalities: [MergePlan.Equality] = []
    for (one, other) in zip(update.tensorIndices, twin.tensorIndices) {
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

extension SharedUpdates {
  /// What must be equal so that a tensor of a module is the copy of one that all modules share.
  func copies(of update: ModuleUpdate) -> [MergePlan.Equality] {
    let header = adapter.header
    return update.copies.map { pair in
      let views = [pair.copy, pair.original].map {
        let (rows, columns) = TensorUpdate.matrix(of: header.tensors.shape(at: $0))
        return FactorView.rowMajor(MergePlan.Source(header, $0, input: input), rows: rows, columns: columns)
      }
      return MergePlan.Equality(
        one: views[0], other: views[1], oneName: header.tensors.name(at: pair.copy),
        otherName: header.tensors.name(at: pair.original), isCopy: true)
    }
  }
}

extension UpdateStep {
  /// Whether it adds products of two factors and nothing else.
  fileprivate var isPlainProduct: Bool {
    guard case .add(let addition) = self else { return false }
    return addition.terms.allSatisfy { if case .product(_, _, nil) = $0.formula { true } else { false } }
  }
}
