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
    public var rounding = Rounding.nearest
    /// What happens if finite elements of the base become infinite or NaN.
    public var nonFinite = NonFinite.fail
    /// Whether the outcome has the statistics of every tensor that an adapter changes. The result does not depend on it.
    public var collectsStatistics = false
    /// Takes tensors apart, where the plan needs it; nil: the system's LAPACK is opened then.
    public var decomposer: MatrixDecomposer?

    /// How bytes that are not changed come into the output. The result does not depend on it.
    public var copyMode = CopyMode.auto
    /// Rows that are computed at once. The result does not depend on it.
    var tileSize = TileSize.standard

    public init(workers: Int, kernels: KernelSet = .best) {
      self.workers = max(1, workers)
      self.kernels = kernels
    }
  }

  /// How merged elements are rounded to their dtype.
  public enum Rounding: Sendable, Equatable {
    /// To the nearest, halves to even.
    case nearest
    /// Up or down with the probability of what is discarded, so that small deltas are kept on average. The random bits
    /// depend on the seed, the tensor's name and the element's place alone.
    case stochastic(seed: UInt64)
  }

  public enum NonFinite: String, Sendable, CaseIterable {
    /// The merge fails, naming the first tensor.
    case fail
    /// They are counted.
    case warn
  }

  private let plan: MergePlan
  private let options: Options
  private let schedule: TileSchedule

  public init(_ plan: MergePlan, options: Options) {
    self.plan = plan
    self.options = options
    schedule = TileSchedule(plan, tileSize: options.tileSize)
  }

  /// Writes the result to `place`, which is complete or untouched afterwards.
  ///
  /// Weight files first, then side files, the index last; then a folder gets its name. A result that is one file has no
  /// side files and no index.
  ///
  /// - Parameter progress: Called from the workers after each job, by one at a time.
  /// - Throws: ``MergeError``, ``SafetensorsError`` or ``CheckpointError`` of the first job, in the order of the output, that failed.
  @discardableResult
  public func run(
    to place: OutputPlace, sideFiles: SideFiles, progress: (@Sendable (MergeProgress) -> Void)? = nil
  ) throws -> Outcome {
    let inputs = InputFiles(plan)
    for equality in plan.equalities { try check(equality, inputs) }
    let decomposer = try options.decomposer ?? (plan.needsDecompositions ? MatrixDecomposer() : nil)
    try MatrixDecomposer.check(plan)
    let staged = try StagedOutput(place)
    let outcome = try writeShards(to: staged, inputs, decomposer, progress: progress)
    guard place.isFolder else { return outcome }
    for file in sideFiles.files { try staged.copy(file) }
    for file in plan.textFiles { try staged.write(file.name, file.text) }
    try staged.finish()
    return outcome
  }

  /// Compares two matrices of the adapters, row by row, in fp32.
  private func check(_ equality: MergePlan.Equality, _ inputs: InputFiles) throws {
    let (one, other) = (equality.one, equality.other)
    guard one.rows == other.rows, one.columns == other.columns else {
      throw MergeError(
        path: inputs.path(of: one.source.input), tensor: equality.oneName,
        .notEqual(other: equality.otherName))
    }
    let preparation = UpdatePreparation(inputs: inputs, kernels: options.kernels)
    let rowsAtOnce = options.tileSize.rows(columns: one.columns)
    for first in stride(from: 0, to: one.rows, by: rowsAtOnce) {
      let rows = first..<min(first + rowsAtOnce, one.rows)
      guard try preparation.widened(one, rows: rows) == preparation.widened(other, rows: rows) else {
        throw MergeError(
          path: inputs.path(of: one.source.input), tensor: equality.oneName,
          .notEqual(other: equality.otherName))
      }
    }
  }

  private struct Failure {
    let job: Int
    let error: any Error
  }

  private func writeShards(
    to staged: StagedOutput, _ inputs: InputFiles, _ decomposer: MatrixDecomposer?,
    progress: (@Sendable (MergeProgress) -> Void)?
  ) throws -> Outcome {
    let factors = FactorStore()
    let states = schedule.shardJobCounts.map(ShardState.init(jobCount:))
    let nextJob = Atomic<Int>(0)
    let failure = Mutex<Failure?>(nil)
    let done = Mutex<(bytes: Int, shards: Int)>((0, 0))
    let record = MergeRecord(collectsStatistics: options.collectsStatistics)

    let creation = OutputCreation(
      plan: plan, schedule: schedule, inputs: inputs, staged: staged, mode: options.copyMode)
    // A result that fills much of the memory is not kept in the page cache.
    let drops = plan.outputByteCount > SystemCalls.physicalMemoryByteCount / 4

    DispatchQueue.concurrentPerform(iterations: options.openFileWorkers(plan, schedule)) { _ in
      var worker = TileWorker(
        kernels: options.kernels, inputs: inputs, collectsStatistics: options.collectsStatistics)
      var buffer: [UInt8] = []
      while true {
        let job = nextJob.add(1, ordering: .relaxed).oldValue
        // A job before the one that failed is still done, so that the first failure in order is the one reported.
        guard job < schedule.jobCount, failure.withLock({ $0.map { job < $0.job } ?? true }) else { return }
        do {
          let number = schedule.segment(ofJob: job)
          let segment = schedule.segments[number]
          let shard = plan.shards[segment.shard]
          let state = states[segment.shard]
          let output = try state.open { try creation.make(shard: segment.shard) }
          let byteCount = try carryOut(
            job, number, shard, output, &worker, &buffer, inputs, decomposer, factors, record)
          let isLast = state.finishJob()
          if isLast {
            try inputs.release(shard: segment.shard)
            try state.commit(staged, drops: drops)
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
    return record.outcome(plan, schedule)
  }

  private func rounding(of tensor: MergePlan.Tensor) -> TileRounding {
    switch options.rounding {
    case .nearest: .nearest
    case .stochastic(let seed): .stochastic(RandomStream(seed: seed, tensor: Self.hash(tensor.name)))
    }
  }

  /// FNV-1a of the name's bytes, 64 bits: the number that tells tensors apart in stochastic rounding.
  private static func hash(_ name: TensorName) -> UInt64 {
    name.string.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  /// What is left of a range without a part of it.
  private static func parts(of range: Range<Int>, without shared: Range<Int>?) -> [Range<Int>] {
    guard let shared = shared?.clamped(to: range), !shared.isEmpty else { return [range] }
    return [range.lowerBound..<shared.lowerBound, shared.upperBound..<range.upperBound].filter { !$0.isEmpty }
  }

  /// Does one job; returns how many bytes of the output it wrote.
  private func carryOut(
    _ job: Int, _ number: Int, _ shard: MergePlan.Shard, _ destination: ShardState.Output, _ worker: inout TileWorker,
    _ buffer: inout [UInt8], _ inputs: InputFiles, _ decomposer: MatrixDecomposer?, _ factors: FactorStore,
    _ record: MergeRecord
  ) throws -> Int {
    let segment = schedule.segments[number]
    let position = job - segment.firstJob
    let file = destination.file
    switch segment.kind {
    case .header:
      try unsafe file.write(shard.headerBytes.span.bytes, at: 0)
      return shard.headerBytes.count
    case .copy(let input, let source, let output):
      let start = position * TileSchedule.copyByteCount
      let end = min(start + TileSchedule.copyByteCount, source.count)
      let range = source.lowerBound + start..<source.lowerBound + end
      for part in Self.parts(of: range, without: destination.shared[number]) {
        try inputs.advance(input, to: part)
        try file.copy(
          part, of: try inputs.file(input), at: output + part.lowerBound - source.lowerBound, through: &buffer)
      }
      return end - start
    case .tiles(let tensorNumber, let rowsPerTile):
      let tensor = shard.tensors[tensorNumber]
      guard let update = tensor.update else { return 0 }
      let rows = position * rowsPerTile..<min((position + 1) * rowsPerTile, update.rows)
      let prepared = try factors.prepared(segment: number, tileCount: segment.jobCount) {
        let preparation = UpdatePreparation(
          inputs: inputs, kernels: options.kernels, tileSize: options.tileSize, decomposer: decomposer)
        record.add(try FactorActivity(update, preparation), segment: number)
        return try preparation.prepare(tensor, update)
      }
      let sourceRow = update.columns * tensor.source.dtype.bitCount / 8
      let outputRow = update.columns * tensor.outputDType.bitCount / 8
      let source = tensor.source.range.lowerBound + rows.lowerBound * sourceRow
      try inputs.read(tensor.source.input, source..<source + rows.count * sourceRow, into: &buffer)
      let weight = unsafe buffer.span.extracting(0..<rows.count * sourceRow).bytes
      let comparesRows = record.statistics != nil && update.changesElements
      let result = try worker.compute(tensor, update, rows: rows, weight: weight, prepared, rounding(of: tensor))
      if comparesRows { try worker.compare(tensor, update, rows: rows, weight: weight) }
      if result.nonFinite > 0, options.nonFinite == .fail {
        throw MergeError(
          path: inputs.path(of: tensor.source.input), tensor: tensor.name,
          .nonFinite(count: result.nonFinite, rows: rows, dtype: tensor.outputDType))
      }
      let computed = worker.output.span
      try unsafe file.write(
        computed.bytes.extracting(0..<result.byteCount), at: tensor.outputRange.lowerBound + rows.lowerBound * outputRow
      )
      if comparesRows, let compared = worker.comparison?.rows {
        record.statistics?.add(segment: number, rowCount: update.rows, rows: rows, compared)
      }
      record.addNonFinite(result.nonFinite, segment: number)
      factors.release(segment: number)
      return result.byteCount
    }
  }
}
