import Checkpoints
import MergePlanning
import Platform
import Safetensors
import Synchronization
import TileKernels

/// The statistics that workers collect about tensors, each by the number of its segment.
final class OutcomeCollector: Sendable {
  private let nonFinite = Mutex<[Int: UInt64]>([:])
  private let factors = Mutex<[Int: UntrainedModules]>([:])
  private let samples = Mutex<[Int: ChangeSample]>([:])
  private let returns = Mutex<[Int: UInt64]>([:])
  private let codes = Mutex<[Int: RequantizationLoss]>([:])
  /// Nil: no statistics are wanted.
  let statistics: StatisticsStore?
  /// What quantizing lost in training.
  let training = StatisticsStore()

  init(collectsStatistics: Bool) { statistics = collectsStatistics ? StatisticsStore() : nil }

  func addNonFinite(_ count: UInt64, segment: Int) {
    if count > 0 { nonFinite.withLock { $0[segment, default: 0] += count } }
  }

  func addReturns(_ changedCount: UInt64, segment: Int) {
    returns.withLock { $0[segment, default: 0] += changedCount }
  }

  func add(_ changes: RequantizationLoss, segment: Int) {
    codes.withLock { $0[segment, default: RequantizationLoss()] += changes }
  }

  func add(_ sample: ChangeSample, segment: Int) {
    samples.withLock { $0[segment, default: ChangeSample()] += sample }
  }

  func add(_ activity: UntrainedModules, segment: Int) { factors.withLock { $0[segment] = activity } }

  /// Looks at the factors of the tensors that a run before computed.
  func addActivities(
    _ plan: MergePlan, _ schedule: TileSchedule, _ preparation: UpdatePreparation, _ interruption: Interruption
  ) throws {
    let known = factors.withLock { Set($0.keys) }
    for (number, segment) in schedule.segments.enumerated() where !known.contains(number) {
      guard let tensor = segment.kind.tensor,
        let update = plan.shards[segment.shard].tensors[tensor].computed?.update
      else { continue }
      try interruption.check()
      add(try UntrainedModules(update, preparation), segment: number)
    }
  }

  /// The place of a tensor: its weight file's in the plan, and its own in the weight file.
  struct Place { let shard: Int, tensor: Int }

  /// What was found about each computed tensor, in the order of the output.
  func findings(_ schedule: TileSchedule) -> [(place: Place, found: TensorFindings)] {
    let (nonFinite, factors) = (nonFinite.withLock { $0 }, factors.withLock { $0 })
    let (samples, codes) = (samples.withLock { $0 }, codes.withLock { $0 })
    let (sums, training) = (statistics?.sums ?? [:], training.sums)
    let returns = returns.withLock { $0 }
    return schedule.segments.enumerated().compactMap { number, segment in
      segment.kind.tensor.map { tensor in
        (
          Place(shard: segment.shard, tensor: tensor),
          TensorFindings(
            nonFiniteCount: nonFinite[number] ?? 0, factors: factors[number], sample: samples[number],
            sums: sums[number], codes: codes[number], trainingSquares: training[number]?.lostSquares,
            returnedChangeCount: returns[number])
        )
      }
    }
  }

  /// What was found, in the order of the output.
  func outcome(
    _ plan: MergePlan, _ schedule: TileSchedule, _ shards: [WrittenShard], keptByteCount: Int
  ) -> MergeEngine.Outcome {
    let computed = findings(schedule).compactMap { place, found in
      plan.shards[place.shard].tensors[place.tensor].computed.map { (tensor: $0, found: found) }
    }
    return MergeEngine.Outcome(plan, computed, shards: shards, keptByteCount: keptByteCount)
  }
}
