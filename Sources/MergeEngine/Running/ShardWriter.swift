import Checkpoints
import Checksums
import MergePlanning
import Platform
import Safetensors
import Staging
import Synchronization

/// Writes the weight files of a result: several threads take the jobs, the first job of a file opens it and the last one
/// completes it.
final class ShardWriter: Sendable {
  private let jobs: JobContext
  private let staged: StagedOutput
  private let states: [ShardState]
  private let records = Mutex<[Int: PartRecord]>([:])

  private var plan: MergePlan { jobs.plan }
  private var options: MergeEngine.Options { jobs.options }

  init(_ jobs: JobContext, _ staged: StagedOutput) {
    self.jobs = jobs
    self.staged = staged
    states = jobs.schedule.shardJobCounts.map(ShardState.init(jobCount:))
  }

  /// The records of the complete files, by their places in the plan.
  var finished: [Int: PartRecord] { records.withLock { $0 } }

  /// Takes over the files that a run before completed, where they can be used.
  func keepFinished() throws {
    let resumption = try FinishedShards(
      staged, plan, jobs.inputs, checksums: options.computesChecksums, verification: options.verification,
      options.interruption)
    records.withLock { $0 = resumption.finished }
  }

  /// Leaves what is done of incomplete files to the next run; returns how many bytes that are.
  func keepUnfinished() -> Int { states.reduce(0) { $0 + $1.keep() } }

  /// Closes and removes incomplete files: NFS gives a file that is removed while it is open another name in its folder, which
  /// then cannot be removed.
  func dropUnfinished() { for state in states { _ = state.take() } }

  /// Writes the files that are not complete.
  ///
  /// - Parameter besideByteCount: Bytes of the other files of a result that is a folder.
  func write(
    besideByteCount: Int, progress: (@Sendable (MergeProgress) -> Void)?
  ) throws -> MergeEngine.Outcome {
    let (schedule, inputs, record) = (jobs.schedule, jobs.inputs, jobs.record)
    let kept = Set(finished.keys)
    let keptByteCount = kept.reduce(0) { $0 + plan.shards[$1].fileByteCount }
    let done = Mutex<(bytes: Int, kept: Int, shards: Int)>((keptByteCount, keptByteCount, kept.count))
    let allocation = ShardAllocation(
      plan: plan, schedule: schedule, inputs: inputs, staged: staged, mode: options.copyMode,
      interruption: options.interruption)
    try checkRoom(allocation, besideByteCount, kept)
    // A result that fills much of the memory is not kept in the page cache.
    let drops = plan.outputByteCount > Machine.physicalMemoryByteCount / 4

    let makeWorker: @Sendable () -> JobWorker = { JobWorker(self.jobs) }
    let workers = options.openFileWorkers(plan, schedule)
    try WorkQueue.run(schedule.jobCount, workers: workers, each: makeWorker) { job, worker in
      let number = schedule.segment(ofJob: job)
      let segment = schedule.segments[number]
      if kept.contains(segment.shard) { return }
      try options.interruption.check()
      let state = states[segment.shard]
      let output = try state.open { try allocation.make(shard: segment.shard) }
      let range = schedule.outputRange(ofJob: job, in: segment, plan)
      let isDone = output.part.done.contains(range)
      if !isDone {
        try worker.carryOut(job, segment: number, output)
        try output.part.journal?.add(range, of: output.file)
      }
      let isLast = state.finishJob()
      var written: WrittenShard?
      if isLast, let output = state.take() {
        let part = try complete(output.part, segment.shard, drops: drops)
        records.withLock { $0[segment.shard] = part }
        let shard = plan.shards[segment.shard]
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
    let parts = finished
    let shards = plan.shards.enumerated().map { number, shard in
      WrittenShard(
        name: shard.name, byteCount: shard.fileByteCount, checksum: parts[number]?.file.checksum,
        isKept: kept.contains(number))
    }
    return record.outcome(plan, schedule, shards, keptByteCount: done.withLock { $0.kept })
  }

  /// Checks that there is room for what is still to be written, before anything is.
  private func checkRoom(_ allocation: ShardAllocation, _ besideByteCount: Int, _ kept: Set<Int>) throws {
    let missing = plan.shards.indices.filter { !kept.contains($0) }
    var needed = missing.reduce(0) {
      $0 + max(0, plan.shards[$1].fileByteCount - staged.reservedByteCount(ofPart: $1))
    }
    if staged.place.isFolder { needed += besideByteCount }
    guard let free = try staged.freeByteCount(), needed > free else { return }
    needed -= allocation.shareableByteCount(shards: missing)
    guard needed > free else { return }
    throw CheckpointError(path: staged.place.path, .noSpace(needed: needed, available: free))
  }

  /// Completes a weight file, whose inputs must be what they were, and finds out whether the disk has it, where that is
  /// asked for.
  private func complete(_ part: StagedOutput.Part, _ shard: Int, drops: Bool) throws -> PartRecord {
    let inputs = jobs.inputs
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
}
