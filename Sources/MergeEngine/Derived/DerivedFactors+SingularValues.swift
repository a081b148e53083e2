import Adapters
import LinearAlgebra
import MergePlanning
import Safetensors
import TileKernels

extension DerivedFactors {
  /// `U diag(S)` and V of the smallest singular values, each matrix rounded to the weight's dtype.
  init(smallestSingularValues count: Int, _ context: StepContext) throws {
    let (tensor, update, kernels) = (context.tensor, context.tensor.update, context.kernels)
    let found = try context.decomposing { algebra in
      try algebra.singularValues(
        of: try DecompositionFactors.elements(context), rows: update.rows, columns: update.columns)
    }
    let all = found.values.count
    let first = all - count
    // Vectors of equal values are any of their span's.
    let (largest, kept, taken) = (found.values[0], found.values[first - 1], found.values[first])
    if kept - taken <= largest * 0x1p-20, taken > largest * 0x1p-18 {
      throw MergeError(
        path: context.inputs.path(of: tensor.weight.source.input), tensor: tensor.name,
        .undetermined("its singular values \(first) and \(first + 1) are equal, \(kept) and \(taken)"))
    }
    let type = try context.inputs.elementTypes(of: tensor).0
    var bytes: [UInt8] = []
    func rounded(_ values: [Float]) throws -> [Float] {
      var buffer = FloatBuffer()
      buffer.set(values)
      try buffer.round(values.count, to: type, through: &bytes, kernels)
      return buffer.elements
    }
    let values = try rounded(Array(found.values[first...]))
    var left = try rounded((0..<update.rows * count).map { found.left[$0 / count * all + first + $0 % count] })
    for index in left.indices { left[index] *= values[index % count] }
    self.left = left
    right = try rounded(Array(found.right[(first * update.columns)...]))
  }
}
