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

  /// What was found, in the order of the output.
  func outcome(
    _ plan: MergePlan, _ schedule: TileSchedule, _ shards: [WrittenShard], keptByteCount: Int
  ) -> MergeEngine.Outcome {
    func tensor(_ number: Int) -> ComputedTensor? {
      let segment = schedule.segments[number]
      return segment.kind.tensor.flatMap { plan.shards[segment.shard].tensors[$0].computed }
    }
    func inOrder<Value>(_ found: [Int: Value]) -> [(tensor: ComputedTensor, value: Value)] {
      found.sorted { $0.key < $1.key }.compactMap { number, value in tensor(number).map { ($0, value) } }
    }
    let codes = codes.withLock { $0 }
    let training = training.sums
    let sums = (statistics?.sums ?? [:]).map { number, sums in
      (number, (sums: sums, codes: codes[number], training: training[number]?.lostSquares))
    }
    let activities = inOrder(factors.withLock { $0 })
    return MergeEngine.Outcome(
      shards: shards, keptByteCount: keptByteCount,
      nonFinite: inOrder(nonFinite.withLock { $0 }).map { .init(name: $0.tensor.name, count: $0.value) },
      untrainedModules: UntrainedModules.untrained(
        plan, Dictionary(activities.map { ($0.tensor.name, $0.value) }, uniquingKeysWith: { one, _ in one })),
      statistics: inOrder(Dictionary(uniqueKeysWithValues: sums)).map {
        TensorStatistics($0.tensor, $0.value.sums, $0.value.codes, $0.value.training)
      },
      changeRatios: inOrder(samples.withLock { $0 }).compactMap { tensor, sample in
        sample.ratio.map { .init(name: tensor.name, ratio: $0) }
      },
      returned: inOrder(returns.withLock { $0 }).map {
        ReturnedTensor(
          name: $0.tensor.name, elementCount: $0.tensor.update.rows * $0.tensor.update.columns, changedCount: $0.value)
      })
  }
}
