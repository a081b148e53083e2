import Safetensors

/// The shapes of a module's factors as tensors, which follow from the weight's.
struct FactorShape {
  /// (r, in, *kernel), with a core (r, in, 1, ...).
  let right: [Int]
  /// (out, r, 1, ...).
  let left: [Int]
  /// The kernel's dimensions; empty: the weight is a matrix.
  let kernel: [Int]

  /// The shapes; nil: the factors do not fit the weight.
  init?(_ factors: ConvertedFactors, weightShape: [Int]?) {
    kernel = factors.kernel(weightShape)
    let ones = kernel.map { _ in 1 }
    let positions = factors.core == nil ? kernel.reduce(1, *) : 1
    let (rank, columns) = (factors.right.rows, factors.right.columns)
    guard positions > 0, columns % positions == 0 else { return nil }
    if let weightShape, weightShape[0] != factors.left.rows || weightShape[1] != columns / positions { return nil }
    right = [rank, columns / positions] + (factors.core == nil ? kernel : ones)
    left = [factors.left.rows, factors.left.columns] + ones
  }
}
