import Checkpoints
import Checksums
import MergeEngine
import Platform
import Safetensors
import Staging
import Synchronization

/// Makes an adapter of units of work and writes it: complete, or not at all.
///
/// The units are made by several threads, and each is kept in the staging folder beside the output as soon as it is made. When all
/// are there the weights' file is put together, the other files are written beside it, and all gets its name at once. A run
/// that was killed is resumed by the next one with the same identity, which makes the same bytes.
public struct AdapterWriter: Sendable {
  private let units: [AdapterUnit]
  private let weightsName: String
  private let workers: Int
  private let interruption: Interruption
  private let resumes: Bool

  /// - Parameters:
  ///   - units: Their names differ.
  ///   - weightsName: The name of the weights' file in the adapter's folder; of an adapter that is one file it means nothing.
  ///   - workers: Threads that make units, at least 1. The result does not depend on it.
  ///   - resumes: Whether units that a run before made are used.
  public init(
    _ units: [AdapterUnit], weightsName: String = "adapter_model.safetensors", workers: Int,
    interruption: Interruption = .never, resumes: Bool = true
  ) {
    self.units = units
    self.weightsName = weightsName
    self.workers = max(1, workers)
    self.interruption = interruption
    self.resumes = resumes
  }

  /// Makes the units and writes the adapter.
  ///
  /// - Parameters:
  ///   - destination: Where the adapter goes; not that of a dry run.
  ///   - identity: What decides the result: see `MergeIdentity.init(command:version:options:adapters:models:interruption:)`.
  ///   - progress: Called from the threads after each unit, by one at a time.
  ///   - document: What else belongs to the adapter, of units that are all made.
  /// - Throws: What a unit throws, the first in their order; `CheckpointError`, `SafetensorsError`, `FileError`; of errors after
  ///   which the work is kept `UnfinishedMerge`; `InterruptedMerge`.
  @discardableResult
  public func run(
    to destination: AdapterDestination, as identity: MergeIdentity,
    progress: (@Sendable (AdapterProgress) -> Void)? = nil, document: ([FinishedUnit]) throws -> AdapterDocument
  ) throws -> AdapterOutcome {
    guard let staging = destination.staging else {
      throw MergeError(path: destination.place.path, tensor: nil, .inconsistentPlan("no output was asked for"))
    }
    let staged = try StagedOutput(staging, identity: identity, unfinished: resumes ? .isGoneOnWith : .isRemoved)
    do {
      let finished = try make(UnitStore(folder: staged.unitsFolder), progress)
      let document = try document(finished)
      let outcome = try write(finished, document, to: staged, identity)
      try interruption.check()
      try judge(document, staged.completePath)
      try staged.finish(lastName: staged.place.isFolder ? document.texts.first?.name : nil)
      return outcome
    } catch {
      throw leave(staged.reason(for: error), staged, at: staging.path)
    }
  }

  private func make(
    _ store: UnitStore, _ progress: (@Sendable (AdapterProgress) -> Void)?
  ) throws -> [FinishedUnit] {
    struct Sums {
      var (units, cost, kept) = (0, 0, 0)
    }
    let total = units.reduce(0) { $0 + $1.cost }
    let sums = Mutex(Sums())
    return try WorkQueue.values(units.count, workers: workers) { number in
      try interruption.check()
      let unit = units[number]
      let finished = try store.kept(number, unit) ?? store.make(number, unit)
      sums.withLock { sums in
        sums.units += 1
        sums.cost += unit.cost
        if finished.isKept { sums.kept += unit.cost }
        progress?(
          AdapterProgress(
            unit: unit.name, isKept: finished.isKept, unitsDone: sums.units, unitsTotal: units.count,
            costDone: sums.cost, costTotal: total, costKept: sums.kept))
      }
      return finished
    }
  }

  /// Writes all files of the adapter, not yet under its name.
  private func write(
    _ units: [FinishedUnit], _ document: AdapterDocument, to staged: StagedOutput, _ identity: MergeIdentity
  ) throws -> AdapterOutcome {
    let isFolder = staged.place.isFolder
    let layout = try WeightsLayout(path: isFolder ? weightsName : staged.place.path, units, document)
    let part = try staged.createPart(
      weightsName, number: 0, byteCount: layout.header.fileByteCount, inputs: [],
      content: { _ in SHA256Checksum(of: []) })
    try layout.write(to: part.file, interruption: interruption)
    try staged.commit(part, name: weightsName, FileCompletion(inputs: []))
    var byteCount = layout.header.fileByteCount
    if isFolder {
      var files = [
        ResultRecord.File(
          name: weightsName, byteCount: layout.header.fileByteCount,
          headerChecksum: SHA256Checksum(of: layout.header.bytes))
      ]
      for side in document.sideFiles {
        let checksum = try staged.copy(side, interruption: interruption)
        files.append(.init(name: side.name, byteCount: side.byteCount, checksum: checksum))
      }
      for text in document.texts {
        try staged.write(text.name, text.bytes)
        files.append(.init(name: text.name, byteCount: text.bytes.count, checksum: SHA256Checksum(of: text.bytes)))
      }
      let record = ResultRecord(identity, baseChecksums: [], files: files).text
      try staged.write(ResultMarks.record, record)
      byteCount = files.reduce(record.count) { $0 + ($1.byteCount ?? 0) }
    }
    return AdapterOutcome(units: units, tensorCount: layout.sources.count, byteCount: byteCount)
  }

  private func judge(_ document: AdapterDocument, _ path: String) throws {
    do { try document.judge?(path) } catch { throw error is Interrupted ? error : RefusedResult(cause: error) }
  }

  /// Keeps what the next run can use after this error; returns the error with what is kept.
  private func leave(_ error: any Error, _ staged: StagedOutput, at path: String) -> any Error {
    if let refused = error as? RefusedResult { return refused.cause }
    if staged.hasItsName { return error }
    let names = (try? SystemCalls.entries(ofFolder: staged.unitsFolder)) ?? []
    let kept = KeptWork(
      path: path, finishedShards: names.count { UnitStore.isUnit($0) }, shards: units.count, partialByteCount: 0,
      noun: "module")
    if error is Interrupted {
      if kept.summary != nil { staged.keep() }
      return InterruptedMerge(kept: kept)
    }
    guard let cause = error as? any ReportableError, cause.category == .inputOutput, cause.errorClass != "changed",
      kept.summary != nil
    else { return error }
    staged.keep()
    return UnfinishedMerge(cause: cause, kept: kept)
  }
}
