import MergePlanning
import Safetensors
import TileKernels

/// What was found about one computed tensor.
struct TensorFindings: Sendable {
  /// Finite elements that became infinite or NaN.
  var nonFiniteCount: UInt64 = 0
  /// Nil: the factors were not looked at.
  var factors: UntrainedModules?
  /// Nil: the change was not sampled.
  var sample: ChangeSample?
  /// The sums of its rows; nil: no statistics were collected.
  var sums: RowStatistics?
  /// Of a requantized weight.
  var codes: RequantizationLoss?
  /// The sum of squares of what quantizing in training changed.
  var trainingSquares: Double?
  /// Elements that have other bits when the delta is taken away again; nil: it was not asked for.
  var returnedChangeCount: UInt64?
}

extension MergeEngine.Outcome {
  /// The findings of a merge from those about its tensors.
  ///
  /// - Parameter findings: Of the computed tensors, in the order of the output.
  init(
    _ plan: MergePlan, _ findings: [(tensor: ComputedTensor, found: TensorFindings)], shards: [WrittenShard],
    keptByteCount: Int
  ) {
    self.shards = shards
    self.keptByteCount = keptByteCount
    nonFinite = findings.filter { $0.found.nonFiniteCount > 0 }.map {
      NonFiniteTensor(name: $0.tensor.name, count: $0.found.nonFiniteCount)
    }
    untrainedModules = UntrainedModules.untrained(
      plan,
      Dictionary(
        findings.compactMap { tensor, found in found.factors.map { (tensor.name, $0) } },
        uniquingKeysWith: { one, _ in one }))
    statistics = findings.compactMap { tensor, found in
      found.sums.map { TensorStatistics(tensor, $0, found.codes, found.trainingSquares) }
    }
    changeRatios = findings.compactMap { tensor, found in
      found.sample?.ratio.map { ChangeRatio(name: tensor.name, ratio: $0) }
    }
    returned = findings.compactMap { tensor, found in
      found.returnedChangeCount.map {
        ReturnedTensor(
          name: tensor.name, elementCount: tensor.update.rows * tensor.update.columns, changedCount: $0)
      }
    }
  }
}
