import MergePlanning
import Staging
import TileKernels

extension ShardFindings {
  /// What was found about the tensors of a plan with one weight file.
  init(_ jobs: JobContext) {
    let tensors = jobs.record.findings(jobs.schedule).map { place, found in
      var tensor = Tensor(place: place.tensor)
      tensor.nonFiniteCount = Int(clamping: found.nonFiniteCount)
      tensor.factors = found.factors.map { Factors(inputs: $0.inputs.sorted(), active: $0.active.sorted()) }
      tensor.sample = found.sample.map { Sample(change: $0.change, base: $0.base) }
      tensor.sums = found.sums.map {
        Sums(
          changedCount: Int(clamping: $0.changedCount), intendedSquares: $0.intendedSquares,
          lostSquares: $0.lostSquares,
          baseSquares: $0.baseSquares)
      }
      tensor.codes = found.codes.map {
        Codes(changedCount: Int(clamping: $0.changedCount), halfStepCount: Int(clamping: $0.halfStepCount))
      }
      tensor.trainingSquares = found.trainingSquares
      return tensor
    }
    self.init(hasStatistics: jobs.record.statistics != nil, tensors: tensors)
  }
}

extension TensorFindings {
  /// What a part recorded.
  ///
  /// - Parameter hasStatistics: Whether statistics are wanted.
  init(_ recorded: ShardFindings.Tensor, hasStatistics: Bool) {
    nonFiniteCount = UInt64(clamping: recorded.nonFiniteCount)
    factors = recorded.factors.map { UntrainedModules(inputs: Set($0.inputs), active: Set($0.active)) }
    sample = recorded.sample.map { ChangeSample(change: $0.change, base: $0.base) }
    guard hasStatistics else { return }
    sums = recorded.sums.map {
      RowStatistics(
        changedCount: UInt64(clamping: $0.changedCount), intendedSquares: $0.intendedSquares,
        lostSquares: $0.lostSquares, baseSquares: $0.baseSquares)
    }
    codes = recorded.codes.map {
      RequantizationLoss(
        changedCount: UInt64(clamping: $0.changedCount), halfStepCount: UInt64(clamping: $0.halfStepCount))
    }
    trainingSquares = recorded.trainingSquares
  }
}
