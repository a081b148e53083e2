import Adapters
import Safetensors

/// Tensors of which several modules have the first columns each: they are as wide as the widest module.
enum SharedWidths {
  /// What is wrong with such a tensor, and where it is in the adapter's table; nil: nothing.
  ///
  /// - Parameter widest: Columns of the widest module; nil: the adapter has no such tensor.
  static func problem(of adapter: Adapter, widest: Int?) -> (problem: PlanError.Problem, tensor: Int)? {
    guard let widest else { return nil }
    for update in adapter.updates where update.isCut {
      let witness = update.inWitness
      let found = adapter.header.tensors.shape(at: witness.tensor)
      guard found.last != widest else { continue }
      let expected = Array(found.dropLast()) + [widest]
      return (
        .shape(factor: witness.name, found: found, target: "the widest module", expected: expected), witness.tensor
      )
    }
    return nil
  }
}
