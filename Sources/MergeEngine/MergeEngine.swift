import Checkpoints
import Dispatch
import MergePlanning
import Safetensors
import Synchronization
import TileKernels

/// How far a merge is.
public struct MergeProgress: Sendable, Equatable {
  /// Bytes of the output's weight files.
  public let bytesDone: Int
  public let bytesTotal: Int
  public let shardsDone: Int
  public let shardsTotal: Int
  /// The weight file that was just completed; nil between two.
  public let finishedShard: String?
}

/// Carries a plan out.
public struct MergeEngine: Sendable {
  public struct Options: Sendable {
    /// Threads that compute and write, at least 1. The result does not depend on it.
    public var workers: Int
    /// The instruction set. The result does not depend on it.
    public var kernels: KernelSet

    public init(workers: Int, kernels: KernelSet = .best) {
      self.workers = max(1, workers)
      self.kernels = kernels
    }
  }

  private let plan: MergePlan
  private let options: Options
  private let schedule: TileSchedule

  public init(_ plan: MergePlan, options: Options) {
    self.plan = plan
    self.options = options
    schedule = TileSchedule(plan)
  }

  /// Writes the result to `place`, which is complete or untouched afterwards.
  ///
  /// Weight files first, then side files, the index last; then a folder gets its name. A result that is one file has no
  /// side files and no index.
  ///
  /// - Parameter progress: Called from the workers after each job, by one at a time.
  /// - Throws: ``MergeError``, ``SafetensorsError`` or ``CheckpointError`` of the first job, in the order of the output, that failed.
  public func run(
    to place: OutputPlace, sideFiles: SideFiles, progress: (@Sendable (MergeProgress) -> Void)? = nil
  ) throws {
    let staged = try StagedOutput(place)
    try writeShards(to: staged, progress: progress)
    guard place.isFolder else { return }
    for file in sideFiles.files { try staged.copy(file) }
    if let index = plan.index { try staged.write(index.name, index.text) }
    try staged.finish()
  }

  private struct Failure {
    let job: Int
    let error: any Error
  }

  private func writeShards(to staged: StagedOutput, progress: (@Sendable (MergeProgress) -> Void)?) throws {
    let inputs = InputMaps(plan)
    let factors = FactorStore()
    let states = schedule.shardJobCounts.map(ShardState.init(jobCount:))
    let nextJob = Atomic<Int>(0)
    let failure = Mutex<Failure?>(nil)
    let done = Mutex<(bytes: Int, shards: Int)>((0, 0))

    DispatchQueue.concurrentPerform(iterations: min(options.workers, max(1, schedule.jobCount))) { _ in
      var worker = TileWorker(kernels: options.kernels, inputs: inputs)
      while true {
        let job = nextJob.add(1, ordering: .relaxed).oldValue
        // A job before the one that failed is still done, so that the first failure in order is the one reported.
        guard job < schedule.jobCount, failure.withLock({ $0.map { job < $0.job } ?? true }) else { return }
        do {
          let number = schedule.segment(ofJob: job)
          let segment = schedule.segments[number]
          let shard = plan.shards[segment.shard]
          let state = states[segment.shard]
          let output = try state.open(shard, staged)
          let byteCount = try carryOut(job, number, shard, output, &worker, inputs, factors)
          let isLast = state.finishJob()
          if isLast {
            try inputs.release(shard: segment.shard)
            try state.commit(staged)
          }
          done.withLock { done in
            done.bytes += byteCount
            if isLast { done.shards += 1 }
            progress?(
              MergeProgress(
                bytesDone: done.bytes, bytesTotal: plan.outputByteCount, shardsDone: done.shards,
                shardsTotal: plan.shards.count, finishedShard: isLast ? shard.name : nil))
          }
        } catch {
          failure.withLock { failure in
            if failure.map({ job < $0.job }) ?? true { failure = Failure(job: job, error: error) }
          }
        }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure.error }
  }

  /// Does one job; returns how many bytes of the output it wrote.
  private func carryOut(
    _ job: Int, _ number: Int, _ shard: MergePlan.Shard, _ file: OutputFile, _ worker: inout TileWorker,
    _ inputs: InputMaps, _ factors: FactorStore
  ) throws -> Int {
    let segment = schedule.segments[number]
    let position = job - segment.firstJob
    switch segment.kind {
    case .header:
      try unsafe file.write(shard.headerBytes.span.bytes, at: 0)
      return shard.headerBytes.count
    case .copy(let input, let source, let output):
      let start = position * TileSchedule.copyByteCount
      let end = min(start + TileSchedule.copyByteCount, source.count)
      try inputs.withBytes(input, source.lowerBound + start..<source.lowerBound + end) { bytes in
        try file.write(bytes, at: output + start)
      }
      return end - start
    case .tiles(let tensorNumber, let rowsPerTile):
      let tensor = shard.tensors[tensorNumber]
      guard let update = tensor.update else { return 0 }
      let rows = position * rowsPerTile..<min((position + 1) * rowsPerTile, update.rows)
      let packed = try factors.factors(segment: number, tileCount: segment.jobCount) {
        try inputs.pack(update, kernels: options.kernels)
      }
      let sourceRow = update.columns * tensor.source.dtype.bitCount / 8
      let outputRow = update.columns * tensor.outputDType.bitCount / 8
      let source = tensor.source.range.lowerBound + rows.lowerBound * sourceRow
      let byteCount = try inputs.withBytes(tensor.source.input, source..<source + rows.count * sourceRow) { weight in
        try worker.compute(tensor, update, rows: rows, weight: weight, factors: packed)
      }
      let computed = worker.output.span
      try unsafe file.write(
        computed.bytes.extracting(0..<byteCount), at: tensor.outputRange.lowerBound + rows.lowerBound * outputRow)
      factors.release(segment: number)
      return byteCount
    }
  }
}
