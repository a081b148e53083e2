import Adapters
import LinearAlgebra
import MergePlanning
import Safetensors

extension MatrixDecomposer {
  /// Checks, from shapes alone, that the tensors which `plan` takes a part out of are not too large for LAPACK.
  public static func check(_ plan: MergePlan) throws(DecompositionError) {
    for tensor in plan.updatedTensors {
      let update = tensor.update
      guard update.decomposesWeight else { continue }
      if LinearAlgebra.isAddressable(rows: update.rows, columns: update.columns) { continue }
      throw DecompositionError(
        path: plan.inputs[tensor.weight.source.input].path, tensor: tensor.name.string,
        .tooLarge(rows: update.rows, columns: update.columns))
    }
  }
}

extension MergePlan {
  /// Whether a part of a tensor is taken out of it, which needs a ``MatrixDecomposer``.
  public var needsDecompositions: Bool { updatedTensors.contains { $0.update.decomposesWeight } }
}
