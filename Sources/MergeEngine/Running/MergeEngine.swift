import Checkpoints
import Checksums
import LinearAlgebra
import MergePlanning
import Platform
import Safetensors
import Staging
import Synchronization
import TileKernels

/// How far a merge is.
public struct MergeProgress: Sendable, Equatable {
  /// Bytes of the output's weight files.
  public let bytesDone: Int
  public let bytesTotal: Int
  /// Those of ``bytesDone`` that a run before wrote.
  public let bytesKept: Int
  public let shardsDone: Int
  public let shardsTotal: Int
  /// The weight file that was just completed; nil between two.
  public let finishedShard: WrittenShard?
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
    /// Whether the SHA-256 of every weight file, of the base and of the result, is computed.
    public var computesChecksums = false
    /// What is done to find out whether the disk has what was written.
    public var verification = Verification.none
    /// Judges the complete result, a folder or one file, before it gets its name: what it throws is the merge's error, and
    /// nothing is kept of a result that it refuses.
    public var judge: (@Sendable (_ path: String) throws -> Void)?
    /// Asks for an end before the work is done.
    public var interruption = Interruption.never
    /// Rows that are computed at once. The result does not depend on it.
    var tileSize = TileSize.standard
    /// Called with the path of each weight file between its writing and its verification: for tests.
    var beforeVerification: (@Sendable (String) -> Void)?

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
    for equality in plan.equalities { try check(equality, inputs) }
    let decomposer = try options.decomposer ?? (plan.needsDecompositions ? MatrixDecomposer() : nil)
    try MatrixDecomposer.check(plan)
    let countsTensors = collectsStatistics || options.nonFinite == .warn
    let staged = try StagedOutput(
      staging, identity: identity, unfinished: !resumes ? .isRemoved : countsTensors ? .isMadeAgain : .isGoneOnWith)
    let states = schedule.shardJobCounts.map(ShardState.init(jobCount:))
    let finished = Mutex<[Int: PartRecord]>([:])
    do {
      let resumption = try FinishedShards(
        staged, plan, inputs, checksums: options.computesChecksums, verification: options.verification,
        options.interruption)
      finished.withLock { $0 = resumption.finished }
      let outcome = try writeShards(
        to: staged, sideFiles, inputs, decomposer, states, finished, progress: progress)
      let texts = try write(sideFiles, identity, to: staged, inputs, finished.withLock { $0 })
      try options.interruption.check()
      try judge(staged.completePath)
      try staged.finish(lastName: texts)
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

  /// Writes what is beside the weights, the index last; returns its name.
  private func write(
    _ sideFiles: SideFiles, _ identity: MergeIdentity?, to staged: StagedOutput, _ inputs: InputFiles,
    _ finished: [Int: PartRecord]
  ) throws -> String? {
    guard staged.place.isFolder else { return nil }
    var files = plan.shards.enumerated().map { number, shard in
      Provenance.File(
        name: shard.name, byteCount: shard.fileByteCount, headerChecksum: SHA256Checksum(of: shard.headerBytes),
        checksum: options.computesChecksums ? finished[number]?.file.checksum : nil)
    }
    for file in sideFiles.files {
      let checksum = try staged.copy(file, interruption: options.interruption)
      if let identity, !identity.inputs.contains(where: { $0.name == file.name && $0.checksum == checksum }) {
        throw CheckpointError(path: file.sourcePath, .changed)
      }
      files.append(Provenance.File(name: file.name, byteCount: file.byteCount, checksum: checksum))
    }
    for text in plan.textFiles {
      files.append(
        Provenance.File(name: text.name, byteCount: text.text.count, checksum: SHA256Checksum(of: text.text)))
    }
    let index = plan.textFiles.last.flatMap { $0.name.hasSuffix(".index.json") ? $0 : nil }
    for text in plan.textFiles where text != index { try staged.write(text.name, text.text) }
    if let identity {
      let baseCount = plan.inputs.count { !$0.isAdapter }
      let provenance = Provenance(
        identity: identity,
        baseChecksums: (0..<baseCount).map { options.computesChecksums ? inputs.knownChecksum($0) : nil }, files: files)
      try staged.write(Provenance.fileName, provenance.text)
    }
    if let index { try staged.write(index.name, index.text) }
    return index?.name
  }

  /// Compares two matrices of the adapters, row by row, in fp32.
  private func check(_ equality: MergePlan.Equality, _ inputs: InputFiles) throws {
    let (one, other) = (equality.one, equality.other)
    guard one.rows == other.rows, one.columns == other.columns else {
      throw MergeError(
        path: inputs.path(of: one.source.input), tensor: equality.oneName, problem(equality))
    }
    let preparation = UpdatePreparation(inputs: inputs, kernels: options.kernels)
    let rowsAtOnce = options.tileSize.rows(columns: one.columns)
    for first in stride(from: 0, to: one.rows, by: rowsAtOnce) {
      try options.interruption.check()
      let rows = first..<min(first + rowsAtOnce, one.rows)
      guard try preparation.widened(one, rows: rows) == preparation.widened(other, rows: rows) else {
        throw MergeError(
          path: inputs.path(of: one.source.input), tensor: equality.oneName, problem(equality))
      }
    }
  }

  private func problem(_ equality: MergePlan.Equality) -> MergeError.Problem {
    equality.sharedBy.map { .sharedModule($0, other: equality.otherName) } ?? .notEqual(other: equality.otherName)
  }

  private struct Failure {
    let job: Int
    let error: any Error
  }

  private func writeShards(
    to staged: StagedOutput, _ sideFiles: SideFiles, _ inputs: InputFiles, _ decomposer: MatrixDecomposer?,
    _ states: [ShardState], _ finished: borrowing Mutex<[Int: PartRecord]>,
    progress: (@Sendable (MergeProgress) -> Void)?
  ) throws -> Outcome {
    let factors = FactorStore()
    let nextJob = Atomic<Int>(0)
    let failure = Mutex<Failure?>(nil)
    let record = OutcomeCollector(collectsStatistics: collectsStatistics)
    let kept = Set(finished.withLock { $0.keys })
    let keptByteCount = kept.reduce(0) { $0 + plan.shards[$1].fileByteCount }
    let done = Mutex<(bytes: Int, kept: Int, shards: Int)>((keptByteCount, keptByteCount, kept.count))

    let creation = ShardAllocation(
      plan: plan, schedule: schedule, inputs: inputs, staged: staged, mode: options.copyMode,
      interruption: options.interruption)
    try checkRoom(staged, sideFiles, creation, kept)
    // A result that fills much of the memory is not kept in the page cache.
    let drops = plan.outputByteCount > SystemCalls.physicalMemoryByteCount / 4

    Threads.run(options.openFileWorkers(plan, schedule)) {
      var worker = TileWorker(
        kernels: options.kernels, inputs: inputs, collectsStatistics: collectsStatistics)
      var buffer: [UInt8] = []
      while true {
        let job = nextJob.add(1, ordering: .relaxed).oldValue
        // A job before the one that failed is still done, so that the first failure in order is the one reported.
        guard job < schedule.jobCount, failure.withLock({ $0.map { job < $0.job } ?? true }) else { return }
        let number = schedule.segment(ofJob: job)
        let segment = schedule.segments[number]
        if kept.contains(segment.shard) { continue }
        do {
          try options.interruption.check()
          let shard = plan.shards[segment.shard]
          let state = states[segment.shard]
          let output = try state.open { try creation.make(shard: segment.shard) }
          let range = schedule.outputRange(ofJob: job, in: segment, plan)
          let isDone = output.part.done.contains(range)
          if !isDone {
            try carryOut(job, number, shard, output, &worker, &buffer, inputs, decomposer, factors, record)
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
        } catch {
          failure.withLock { failure in
            // Who is to stop stops, whatever else happened.
            let job = error is Interrupted ? -1 : job
            if failure.map({ job < $0.job }) ?? true { failure = Failure(job: job, error: error) }
          }
        }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure.error }
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
    _ staged: StagedOutput, _ sideFiles: SideFiles, _ creation: ShardAllocation, _ kept: Set<Int>
  ) throws {
    let missing = plan.shards.indices.filter { !kept.contains($0) }
    var needed = missing.reduce(0) {
      $0 + max(0, plan.shards[$1].fileByteCount - staged.reservedByteCount(ofPart: $1))
    }
    if staged.place.isFolder {
      needed += sideFiles.files.reduce(0) { $0 + $1.byteCount }
      needed += plan.textFiles.reduce(0) { $0 + $1.text.count }
    }
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
