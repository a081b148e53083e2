import MergePlanning
import Safetensors
import TileKernels

/// The statistics of one tensor, or of several together.
///
/// The base is what stood in the tensor before the adapters' updates: the base's elements, or those that an adapter puts in
/// their place. The intended change is what is added to it in fp32, the applied change what rounding made of it. Elements
/// of which one of the three is infinite or NaN are left out of the sums of squares.
public struct TensorStatistics: Sendable, Equatable {
  /// Nil for several tensors together.
  public let name: TensorName?
  /// The dtype of the base's tensor; nil where several differ.
  public let sourceDType: DType?
  /// The dtype that was rounded to; nil where several differ.
  public let outputDType: DType?
  public let elementCount: Int
  /// Elements whose stored bits changed; where the dtype changes, from those of the base rounded to it.
  public let changedCount: UInt64
  /// The sum of squares of the intended change.
  public let intendedSquares: Double
  /// The sum of squares of the applied change less the intended one.
  public let lostSquares: Double
  /// The sum of squares of the base.
  public let baseSquares: Double

  /// Statistics of a requantized weight; nil: it is not requantized, or several are summed.
  public let codes: RequantizationLoss?

  /// The sum of squares of what quantizing in training changed; nil: it was not quantized, as far as is known.
  public let trainingSquares: Double?

  init(
    _ tensor: ComputedTensor, _ sums: RowStatistics, _ codes: RequantizationLoss? = nil,
    _ trainingSquares: Double? = nil
  ) {
    self.init(
      name: tensor.name, source: tensor.weight.source.dtype, output: tensor.outputDType,
      elementCount: tensor.update.rows * tensor.update.columns, sums, codes, trainingSquares)
  }

  /// Several tensors together, added in their order.
  public init(sumOf tensors: [TensorStatistics]) {
    var sums = RowStatistics()
    for tensor in tensors {
      sums += RowStatistics(
        changedCount: tensor.changedCount, intendedSquares: tensor.intendedSquares, lostSquares: tensor.lostSquares,
        baseSquares: tensor.baseSquares)
    }
    func common(_ dtypes: [DType?]) -> DType? { Set(dtypes).count == 1 ? dtypes[0] : nil }
    self.init(
      name: nil, source: common(tensors.map(\.sourceDType)), output: common(tensors.map(\.outputDType)),
      elementCount: tensors.reduce(0) { $0 + $1.elementCount }, sums, nil,
      tensors.contains { $0.trainingSquares != nil } ? tensors.reduce(0.0) { $0 + ($1.trainingSquares ?? 0) } : nil)
  }

  private init(
    name: TensorName?, source: DType?, output: DType?, elementCount: Int, _ sums: RowStatistics,
    _ codes: RequantizationLoss? = nil, _ trainingSquares: Double? = nil
  ) {
    self.trainingSquares = trainingSquares
    self.name = name
    self.codes = codes
    sourceDType = source
    outputDType = output
    self.elementCount = elementCount
    changedCount = sums.changedCount
    intendedSquares = sums.intendedSquares
    lostSquares = sums.lostSquares
    baseSquares = sums.baseSquares
  }

  /// The Frobenius norm of the intended change.
  public var deltaNorm: Double { intendedSquares.squareRoot() }
  /// The Frobenius norm of the base.
  public var baseNorm: Double { baseSquares.squareRoot() }
  /// The Frobenius norm of what quantizing in training changed.
  public var trainingNorm: Double? { trainingSquares?.squareRoot() }
  /// What quantizing in training changed, in units of the intended change: `||q|| / ||delta||`; nil where it is not known or
  /// no change was intended.
  public var trainingRatio: Double? { intendedSquares > 0 ? trainingNorm.map { $0 / deltaNorm } : nil }
  /// The norm of the intended change in units of the base's; nil for a base of zeros.
  public var ratio: Double? { baseSquares > 0 ? deltaNorm / baseNorm : nil }
  /// What rounding lost: `||applied - intended|| / ||intended||`; nil if no change was intended.
  public var loss: Double? { intendedSquares > 0 ? lostSquares.squareRoot() / deltaNorm : nil }
  /// The share of elements that changed; nil if there are none.
  public var changedShare: Double? { elementCount > 0 ? Double(changedCount) / Double(elementCount) : nil }
}
