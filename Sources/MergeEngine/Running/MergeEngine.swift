import Checkpoints
import Checksums
import LinearAlgebra
import MergePlanning
import Platform
import Safetensors
import Staging
import Synchronization
import TileKernels

/// Carries a plan out.
public struct MergeEngine: Sendable {
  let plan: MergePlan
  let options: Options
  let schedule: TileSchedule

  public init(_ plan: MergePlan, options: Options) {
    self.plan = plan
    self.options = options
    schedule = TileSchedule(plan, tileSize: options.tileSize)
  }

  /// Writes the result to `place`, which is complete or untouched afterwards; nothing is left of a merge that fails.
  ///
  /// - Throws: What ``run(in:sideFiles:identity:resumes:progress:)`` throws.
  @discardableResult
  public func run(
    to place: OutputPlace, sideFiles: SideFiles, progress: (@Sendable (MergeProgress) -> Void)? = nil
  ) throws -> Outcome {
    try run(in: StagingFolder(place), sideFiles: sideFiles, identity: nil, progress: progress)
  }

  /// Writes the result to the place of `staging`, which is complete or untouched afterwards.
  ///
  /// Weight files first, then side files, the index last; then the result gets its name. A result that is one file has no
  /// side files, no index and no `.safemerge.json`.
  ///
  /// With statistics or counts of elements that are not finite every tensor is computed, whatever a run before did.
  ///
  /// - Parameters:
  ///   - staging: The folder in which the result comes into being.
  ///   - sideFiles: What is copied along.
  ///   - identity: What decides the result; nil: nothing is kept for a next run, and no `.safemerge.json` is written.
  ///   - resumes: Whether the run goes on with what one of the same identity left.
  ///   - progress: Called from the workers after each job, by one at a time.
  /// - Throws: ``MergeError``, `SafetensorsError` or `CheckpointError` of the first job, in the order of the output, that
  ///   failed, as ``UnfinishedMerge`` where work is kept; ``InterruptedMerge``.
  @discardableResult
  public func run(
    in staging: StagingFolder, sideFiles: SideFiles, identity: MergeIdentity?, resumes: Bool = true,
    progress: (@Sendable (MergeProgress) -> Void)? = nil
  ) throws -> Outcome {
    guard staging.place.isFolder || plan.shards.count == 1 else {
      throw MergeError(path: staging.place.path, tensor: nil, .inconsistentPlan("one file is to hold several"))
    }
    let inputs = InputFiles(plan)
    let equalities = EqualityCheck(inputs: inputs, options: options)
    for equality in plan.equalities { try equalities.check(equality) }
    let decomposer = try options.decomposer ?? (plan.needsDecompositions ? MatrixDecomposer() : nil)
    try MatrixDecomposer.check(plan)
    let countsTensors = collectsStatistics || options.nonFinite == .warn
    let staged = try StagedOutput(
      staging, identity: identity, unfinished: !resumes ? .isRemoved : countsTensors ? .isMadeAgain : .isGoneOnWith)
    let smallFiles = SmallFiles(
      plan: plan, sideFiles: sideFiles, identity: identity, recordsChecksums: options.computesChecksums,
      interruption: options.interruption)
    let states = schedule.shardJobCounts.map(ShardState.init(jobCount:))
    let finished = Mutex<[Int: PartRecord]>([:])
    do {
      let resumption = try FinishedShards(
        staged, plan, inputs, checksums: options.computesChecksums, verification: options.verification,
        options.interruption)
      finished.withLock { $0 = resumption.finished }
      let outcome = try writeShards(to: staged, smallFiles, inputs, decomposer, states, finished, progress: progress)
      let lastName = try staged.place.isFolder ? smallFiles.write(to: staged, inputs, finished.withLock { $0 }) : nil
      try options.interruption.check()
      try judge(staged.completePath)
      try staged.finish(lastName: lastName)
      return outcome
    } catch {
      throw leave(error, staged, at: staging.path, states, finishedShards: finished.withLock { $0.count }, identity)
    }
  }

  /// What becomes of a weight that is made codes again, or was codes in training, is always looked at.
  private var collectsStatistics: Bool { options.collectsStatistics || plan.measuresTensors }

  private func judge(_ path: String) throws {
    do { try options.judge?(path) } catch {
      throw error is Interrupted ? error : RefusedResult(cause: error)
    }
  }

  /// Keeps for the next run what it can use after this error; returns the error with what is kept.
  private func leave(
    _ error: any Error, _ staged: StagedOutput, at path: String, _ states: [ShardState], finishedShards: Int,
    _ identity: MergeIdentity?
  ) -> any Error {
    if let refused = error as? RefusedResult { return refused.cause }
    let isInterrupted = error is Interrupted
    func kept(_ partialByteCount: Int) -> KeptWork {
      KeptWork(
        path: path, finishedShards: identity == nil ? 0 : finishedShards, shards: plan.shards.count,
        partialByteCount: partialByteCount)
    }
    if staged.hasItsName { return error }
    guard identity != nil else { return isInterrupted ? InterruptedMerge(kept: kept(0)) : error }
    // What failed to be written is not trusted; a full disk gets its room back.
    let work = kept(isInterrupted ? states.reduce(0) { $0 + $1.keep() } : 0)
    if isInterrupted {
      if staged.goesOn || work.summary != nil { staged.keep() }
      return InterruptedMerge(kept: work)
    }
    guard let cause = error as? any ReportableError, cause.category == .inputOutput, cause.errorClass != "changed",
      staged.goesOn || work.summary != nil
    else { return error }
    staged.keep()
    return UnfinishedMerge(cause: cause, kept: work)
  }

  /// What one thread of a merge has of its own.
  private struct Worker: ~Copyable {
    var tiles: TileWorker
    var buffer: [UInt8] = []
  }

  private func writeShards(
    to staged: StagedOutput, _ smallFiles: SmallFiles, _ inputs: InputFiles, _ decomposer: MatrixDecomposer?,
    _ states: [ShardState], _ finished: borrowing Mutex<[Int: PartRecord]>,
    progress: (@Sendable (MergeProgress) -> Void)?
  ) throws -> Outcome {
    let factors = FactorStore()
    let record = OutcomeCollector(collectsStatistics: collectsStatistics)
    let kept = Set(finished.withLock { $0.keys })
    let keptByteCount = kept.reduce(0) { $0 + plan.shards[$1].fileByteCount }
    let done = Mutex<(bytes: Int, kept: Int, shards: Int)>((keptByteCount, keptByteCount, kept.count))

    let creation = ShardAllocation(
      plan: plan, schedule: schedule, inputs: inputs, staged: staged, mode: options.copyMode,
      interruption: options.interruption)
    try checkRoom(staged, smallFiles, creation, kept)
    // A result that fills much of the memory is not kept in the page cache.
    let drops = plan.outputByteCount > SystemCalls.physicalMemoryByteCount / 4

    let makeWorker: @Sendable () -> Worker = {
      Worker(tiles: TileWorker(kernels: options.kernels, inputs: inputs, collectsStatistics: collectsStatistics))
    }
    let workers = options.openFileWorkers(plan, schedule)
    try WorkQueue.run(schedule.jobCount, workers: workers, each: makeWorker) { job, worker in
      let number = schedule.segment(ofJob: job)
      let segment = schedule.segments[number]
      if kept.contains(segment.shard) { return }
      try options.interruption.check()
      let shard = plan.shards[segment.shard]
      let state = states[segment.shard]
      let output = try state.open { try creation.make(shard: segment.shard) }
      let range = schedule.outputRange(ofJob: job, in: segment, plan)
      let isDone = output.part.done.contains(range)
      if !isDone {
        try carryOut(
          job, number, shard, output, &worker.tiles, &worker.buffer, inputs, decomposer, factors, record)
        try output.part.journal?.add(range, of: output.file)
      }
      let isLast = state.finishJob()
      var written: WrittenShard?
      if isLast, let output = state.take() {
        let part = try complete(output.part, segment.shard, staged, inputs, drops: drops)
        finished.withLock { $0[segment.shard] = part }
        written = WrittenShard(
          name: shard.name, byteCount: shard.fileByteCount, checksum: part.file.checksum, isKept: false)
      }
      done.withLock { done in
        done.bytes += range.count
        if isDone { done.kept += range.count }
        if isLast { done.shards += 1 }
        progress?(
          MergeProgress(
            bytesDone: done.bytes, bytesTotal: plan.outputByteCount, bytesKept: done.kept,
            shardsDone: done.shards, shardsTotal: plan.shards.count, finishedShard: written))
      }
    }
    try record.addActivities(
      plan, schedule, UpdatePreparation(inputs: inputs, kernels: options.kernels), options.interruption)
    let parts = finished.withLock { $0 }
    let shards = plan.shards.enumerated().map { number, shard in
      WrittenShard(
        name: shard.name, byteCount: shard.fileByteCount, checksum: parts[number]?.file.checksum,
        isKept: kept.contains(number))
    }
    return record.outcome(plan, schedule, shards, keptByteCount: done.withLock { $0.kept })
  }

  /// Checks that there is room for what is still to be written, before anything is.
  private func checkRoom(
    _ staged: StagedOutput, _ smallFiles: SmallFiles, _ creation: ShardAllocation, _ kept: Set<Int>
  ) throws {
    let missing = plan.shards.indices.filter { !kept.contains($0) }
    var needed = missing.reduce(0) {
      $0 + max(0, plan.shards[$1].fileByteCount - staged.reservedByteCount(ofPart: $1))
    }
    if staged.place.isFolder { needed += smallFiles.byteCount }
    guard let free = try staged.freeByteCount(), needed > free else { return }
    needed -= creation.shareableByteCount(shards: missing)
    guard needed > free else { return }
    throw CheckpointError(path: staged.place.path, .noSpace(needed: needed, available: free))
  }

  /// Completes a weight file, whose inputs must be what they were, and finds out whether the disk has it, where that is
  /// asked for.
  private func complete(
    _ part: StagedOutput.Part, _ shard: Int, _ staged: StagedOutput, _ inputs: InputFiles, drops: Bool
  ) throws -> PartRecord {
    let bases = inputs.baseInputs(ofShard: shard)
    var checksum: SHA256Checksum?
    if options.computesChecksums || options.verification != .none {
      for input in bases { _ = try inputs.checksum(input, options.interruption) }
      checksum = try FileChecksum.of(part.file.temporaryPath, interruption: options.interruption)
    }
    try inputs.release(shard: shard)
    return try staged.commit(
      part, name: plan.shards[shard].name, inputs: inputs.states(bases), checksum: checksum, drops: drops,
      verifies: options.verification == .read, interruption: options.interruption,
      beforeVerification: options.beforeVerification)
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

  /// Does one job.
  private func carryOut(
    _ job: Int, _ number: Int, _ shard: MergePlan.Shard, _ destination: ShardState.Output, _ worker: inout TileWorker,
    _ buffer: inout [UInt8], _ inputs: InputFiles, _ decomposer: MatrixDecomposer?, _ factors: FactorStore,
    _ record: OutcomeCollector
  ) throws {
    let segment = schedule.segments[number]
    let position = job - segment.firstJob
    let file = destination.file
    switch segment.kind {
    case .header:
      try unsafe file.write(shard.headerBytes.span.bytes, at: 0)
    case .copy(let input, let source, let output):
      let start = position * TileSchedule.copyByteCount
      let end = min(start + TileSchedule.copyByteCount, source.count)
      let range = source.lowerBound + start..<source.lowerBound + end
      for part in Self.parts(of: range, without: destination.shared[number]) {
        try inputs.advance(input, to: part)
        try file.copy(
          part, of: try inputs.file(input), at: output + part.lowerBound - source.lowerBound, through: &buffer)
      }
    case .tiles(let tensorNumber, let rowsPerTile):
      let tensor = shard.tensors[tensorNumber]
      guard let update = tensor.update else { return }
      let rows = position * rowsPerTile..<min((position + 1) * rowsPerTile, update.rows)
      let prepared = try prepare(number, tensor, update, destination, inputs, decomposer, factors, record)
      if let requantized = tensor.requantized {
        try writeCodes(rows, number, tensor, update, requantized, file, &worker, &buffer, inputs, prepared, record)
        return factors.release(segment: number)
      }
      let outputRow = update.columns * tensor.outputDType.bitCount / 8
      let weightByteCount = try worker.read(tensor, update, rows: rows, scales: prepared.scales, into: &buffer)
      let weight = unsafe buffer.span.extracting(0..<weightByteCount).bytes
      let comparesRows = record.statistics != nil && update.changesElements
      let result = try worker.compute(tensor, update, rows: rows, weight: weight, prepared, rounding(of: tensor))
      if comparesRows { try worker.compare(tensor, update, rows: rows, weight: weight) }
      if comparesRows, tensor.qloraQuantization != nil {
        let lost = try worker.compareTraining(tensor, update, rows: rows, weight: weight)
        record.training.add(segment: number, rowCount: update.rows, rows: rows, lost)
      }
      if ChangeSample.includes(tile: position, of: segment.jobCount), update.addsProduct {
        record.add(try worker.sampleChange(tensor, update, rows: rows, weight: weight), segment: number)
      }
      if result.nonFinite > 0, options.nonFinite == .fail {
        throw MergeError(
          path: inputs.path(of: tensor.source.input), tensor: tensor.name,
          .nonFinite(count: result.nonFinite, rows: rows, dtype: tensor.outputDType))
      }
      let computed = worker.buffers.output.span
      try unsafe file.write(
        computed.bytes.extracting(0..<result.byteCount), at: tensor.outputRange.lowerBound + rows.lowerBound * outputRow
      )
      if comparesRows, let compared = worker.comparison?.rows {
        record.statistics?.add(segment: number, rowCount: update.rows, rows: rows, compared)
      }
      record.addNonFinite(result.nonFinite, segment: number)
      factors.release(segment: number)
    case .bands(let tensorNumber, let bandsPerTile):
      let tensor = shard.tensors[tensorNumber]
      guard let update = tensor.update, let requantized = tensor.requantized else { return }
      let bands = requantized.bands(ofTile: position, bandsPerTile, rows: update.rows)
      let prepared = try prepare(number, tensor, update, destination, inputs, decomposer, factors, record)
      if let nibbles = requantized.nibbles {
        try writeNF4(
          bands, nibbles, number, tensor, update, requantized, file, &worker, &buffer, inputs, prepared, record)
        return factors.release(segment: number)
      }
      switch requantized.part {
      case .codes:
        try writeCodes(
          requantized.rows(ofBands: bands), number, tensor, update, requantized, file, &worker, &buffer, inputs,
          prepared, record)
      case .scales, .nestedScales:
        try writeScales(bands, tensor, update, requantized, file, &worker, &buffer, inputs, prepared)
      }
      factors.release(segment: number)
    }
  }
}
