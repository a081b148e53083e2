import Checkpoints
import Checksums
import MergePlanning
import Platform
import Safetensors
import Staging

extension MergeEngine {
  /// Writes some weight files of the result into the folder of its parts, one after another, and records each.
  ///
  /// Those that have a record are not written again, unless it lacks what is wanted or is about other files of the base.
  /// Whatever ends the process, files with records stay.
  ///
  /// - Parameters:
  ///   - numbers: Their places in the plan, in the order in which they are written.
  ///   - parts: The folder of the plan.
  ///   - part: The part that they are and the number of parts, for messages.
  ///   - acceptsBaseCopies: Whether a record may be about files of the base with other times.
  ///   - progress: Called from the workers after each job, by one at a time.
  /// - Throws: What a merge throws; `CheckpointError` if something else has the output's name; ``InterruptedMerge`` with the
  ///   complete files of these.
  package func write(
    _ numbers: [Int], to parts: PartsFolder, part: (index: Int, count: Int),
    acceptsBaseCopies: Bool = false, progress: (@Sendable (MergeProgress) -> Void)? = nil
  ) throws -> PartOutcome {
    switch try parts.outputState() {
    case .finished:
      try parts.checkResult(weightFiles)
      return PartOutcome(shards: [], wasFinished: true)
    case .other: throw CheckpointError(path: parts.output, .outputStays)
    case .absent: break
    }
    var hasBegun = false
    do {
      try parts.begin(part.index, of: part.count, files: plan.shards.map { ($0.name, $0.fileByteCount) })
      hasBegun = true
      return PartOutcome(shards: try write(numbers, to: parts, acceptsBaseCopies, progress), wasFinished: false)
    } catch {
      if error is InterruptedMerge { throw error }
      // The folder may be gone because another process has made the result meanwhile.
      try parts.expectFinished(despite: error, hasBegun: hasBegun)
      try parts.checkResult(weightFiles)
      return PartOutcome(shards: [], wasFinished: true)
    }
  }

  private func write(
    _ numbers: [Int], to parts: PartsFolder, _ acceptsBaseCopies: Bool,
    _ progress: (@Sendable (MergeProgress) -> Void)?
  ) throws -> [WrittenShard] {
    let inputs = InputFiles(plan)
    let equalities = EqualityCheck(inputs: inputs, options: options)
    for equality in plan.equalities { try equalities.check(equality) }
    let byteCount = numbers.reduce(0) { $0 + plan.shards[$1].fileByteCount }
    var (done, kept) = (0, 0)
    var written: [WrittenShard] = []
    for number in numbers {
      let shard = plan.shards[number]
      do {
        try options.interruption.check()
        let bases = acceptsBaseCopies ? nil : RecordedBase.inputs(ofShard: number, inputs)
        if try parts.isComplete(number, having: recordContents, madeFrom: bases) {
          kept += shard.fileByteCount
          written.append(
            WrittenShard(name: shard.name, byteCount: shard.fileByteCount, checksum: nil, isKept: true))
        } else {
          let (before, count, keptBefore) = (done, written.count, kept)
          written += try writer(of: number, to: parts).write(besideByteCount: 0) { own in
            progress?(
              MergeProgress(
                bytesDone: before + own.bytesDone, bytesTotal: byteCount, bytesKept: keptBefore,
                shardsDone: count + own.shardsDone, shardsTotal: numbers.count, finishedShard: own.finishedShard))
          }.shards
        }
      } catch is Interrupted {
        throw InterruptedMerge(
          kept: KeptWork(
            path: parts.folderPath, finishedShards: written.count, shards: numbers.count, partialByteCount: 0))
      }
      done += shard.fileByteCount
    }
    return written
  }

  private func writer(of number: Int, to parts: PartsFolder) -> ShardWriter {
    let own = plan.limited(toShard: number)
    let jobs = JobContext(own, options, InputFiles(own), nil)
    return ShardWriter(jobs, PartFiles(parts, number, jobs))
  }

  private var collectsStatistics: Bool { options.collectsStatistics || plan.measuresTensors }

  /// What records must say.
  private var recordContents: RecordContents {
    var contents: RecordContents = []
    if collectsStatistics { contents.insert(.statistics) }
    if options.computesChecksums { contents.insert(.checksums) }
    if options.verification == .read { contents.insert(.verification) }
    return contents
  }

  private var weightFiles: [PartsFinisher.WeightFile] {
    plan.shards.map {
      PartsFinisher.WeightFile(name: $0.name, headerBytes: $0.headerBytes, byteCount: $0.fileByteCount)
    }
  }

  /// Makes the result of the complete weight files of all parts.
  ///
  /// - Parameters:
  ///   - parts: The folder of the plan.
  ///   - sideFiles: What is copied along.
  ///   - documents: Texts about the result that are written beside it.
  ///   - identity: What decides the result.
  ///   - acceptsBaseCopies: Whether the base's files may have other times than the parts saw.
  ///   - wait: Called with the number of weight files that are missing; false: they stay missing.
  ///   - check: Called with what all parts found before the result has its name; what it throws refuses the result.
  ///   - made: Called with what all parts found once the result has its name, before the parts are removed; also for a
  ///     result that was there already, if all records still are.
  /// - Returns: Whether the result was there already.
  package func finish(
    _ parts: PartsFolder, sideFiles: SideFiles, documents: [MergePlan.TextFile] = [], identity: MergeIdentity,
    acceptsBaseCopies: Bool = false, wait: (_ missing: Int) -> Bool = { _ in false },
    check: (Outcome) throws -> Void = { _ in }, made: (Outcome) throws -> Void = { _ in }
  ) throws -> PartsFinisher.Outcome {
    let smallFiles = SmallFiles(
      plan: plan, sideFiles: sideFiles, documents: documents, identity: identity,
      recordsChecksums: options.computesChecksums, interruption: options.interruption)
    let recorded = RecordedOutcome(plan: plan, hasStatistics: collectsStatistics)
    return try PartsFinisher(parts, files: weightFiles).finish(needing: recordContents, wait: wait) { folder, records in
      let bases = try RecordedBase(records, plan, acceptsCopies: acceptsBaseCopies)
      let checksums = checksums(records)
      // A record that does not fit is found before the result has its name.
      try check(try recorded.outcome(records, checksums: checksums))
      let result = PartsResult(path: folder, shared: parts.shared)
      _ = try smallFiles.write(to: result, checksums: checksums, ofBase: bases.checksum)
      return result.names
    } made: { records in
      try made(try recorded.outcome(records, checksums: checksums(records)))
    }
  }

  /// The checksums of the weight files, where they are wanted.
  private func checksums(_ records: [Int: ShardRecord]) -> [Int: SHA256Checksum] {
    options.computesChecksums ? records.compactMapValues(\.checksum) : [:]
  }
}
