import Checkpoints
import LinearAlgebra
import MergePlanning
import Platform
import Safetensors
import Staging

/// Carries a plan out.
public struct MergeEngine: Sendable {
  let plan: MergePlan
  let options: Options

  public init(_ plan: MergePlan, options: Options) {
    self.plan = plan
    self.options = options
  }

  /// Writes the result to `place`, which is complete or untouched afterwards; nothing is left of a merge that fails.
  ///
  /// - Throws: What ``run(in:sideFiles:documents:identity:resumes:progress:)`` throws.
  @discardableResult
  public func run(
    to place: OutputPlace, sideFiles: SideFiles, progress: (@Sendable (MergeProgress) -> Void)? = nil
  ) throws -> Outcome {
    try run(in: StagingFolder(place), sideFiles: sideFiles, identity: nil, progress: progress)
  }

  /// Writes the result to the place of `staging`, which is complete or untouched afterwards.
  ///
  /// Weight files first, then copied files, the index last; then the result is moved into place. A result that is one file has no
  /// copied files, no index and no `.safemerge.json`.
  ///
  /// With statistics or counts of elements that are not finite every tensor is computed, whatever a run before did.
  ///
  /// - Parameters:
  ///   - staging: The folder in which the result is written.
  ///   - sideFiles: What is copied along.
  ///   - documents: Texts about the result that are written beside it and do not decide it, such as a model card.
  ///   - identity: What decides the result; nil: nothing is kept for a next run, and no `.safemerge.json` is written.
  ///   - resumes: Whether the run resumes the work of one of the same identity.
  ///   - progress: Called from the workers after each job, by one at a time.
  /// - Throws: ``MergeError``, `SafetensorsError` or `CheckpointError` of the first job, in the order of the output, that
  ///   failed, as ``UnfinishedMerge`` where work is kept; ``InterruptedMerge``.
  @discardableResult
  public func run(
    in staging: StagingFolder, sideFiles: SideFiles, documents: [MergePlan.TextFile] = [], identity: MergeIdentity?,
    resumes: Bool = true,
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
    let jobs = JobContext(plan, options, inputs, decomposer)
    let countsTensors = jobs.record.statistics != nil || options.nonFinite == .warn || options.countsReturns
    let staged = try StagedOutput(
      staging, identity: identity, unfinished: !resumes ? .isRemoved : countsTensors ? .isMadeAgain : .isGoneOnWith)
    let smallFiles = SmallFiles(
      plan: plan, sideFiles: sideFiles, documents: documents, identity: identity,
      recordsChecksums: options.computesChecksums,
      interruption: options.interruption)
    let shards = ShardWriter(jobs, staged)
    do {
      try shards.keepFinished(of: staged)
      let outcome = try shards.write(
        besideByteCount: staged.place.isFolder ? smallFiles.byteCount : 0, progress: progress)
      let lastName =
        try staged.place.isFolder
        ? smallFiles.write(
          to: staged, checksums: shards.finished.compactMapValues(\.file.checksum), ofBase: inputs.knownChecksum) : nil
      try options.interruption.check()
      try judge(staged.completePath)
      try staged.finish(lastName: lastName)
      return outcome
    } catch {
      throw leave(staged.reason(for: error), staged, at: staging.path, shards, identity)
    }
  }

  private func judge(_ path: String) throws {
    do { try options.judge?(path) } catch {
      throw error is Interrupted ? error : RefusedResult(cause: error)
    }
  }

  /// Keeps for the next run what it can use after this error; returns the error with what is kept.
  private func leave(
    _ error: any Error, _ staged: StagedOutput, at path: String, _ shards: ShardWriter, _ identity: MergeIdentity?
  ) -> any Error {
    if let refused = error as? RefusedResult { return refused.cause }
    let isInterrupted = error is Interrupted
    if !isInterrupted || identity == nil { shards.dropUnfinished() }
    let finishedCount = identity == nil ? 0 : shards.finished.count
    func kept(_ partialByteCount: Int) -> KeptWork {
      KeptWork(
        path: path, finishedShards: finishedCount, shards: plan.shards.count, partialByteCount: partialByteCount)
    }
    if staged.hasItsName { return error }
    guard identity != nil else { return isInterrupted ? InterruptedMerge(kept: kept(0)) : error }
    // What failed to be written is not trusted; a full disk gets its room back.
    let work = kept(isInterrupted ? shards.keepUnfinished() : 0)
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
}
