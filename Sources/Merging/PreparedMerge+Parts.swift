import Checkpoints
import MergeEngine
import MergePlanning
import Platform
import Staging

extension PreparedMerge {
  /// Why the merge is not made in parts; nil: it can be.
  public var partsObstacle: PartsObstacle? {
    guard request.resultIsFolder else { return .oneFile }
    // A dry run may have no output.
    if let place, place.isMountPoint { return .mountPoint(place.path) }
    return plan.needsDecompositions || engine.decomposer != nil ? .decompositions : nil
  }

  /// Which weight files a part writes, by their places in the plan.
  ///
  /// - Parameters:
  ///   - index: The part, counted from 0.
  ///   - count: The number of parts.
  public func files(ofPart index: Int, of count: Int) -> [Int] { plan.assignment(parts: count).files[index] }

  /// Writes the weight files of one part of the merge; those that are complete are not written again.
  ///
  /// May run on several machines at once, twice, and after it was killed. The result is made by ``finishParts(as:acceptsBaseCopies:wait:check:made:)``.
  ///
  /// - Parameters:
  ///   - index: The part, counted from 0.
  ///   - count: The number of parts.
  ///   - identity: What ``identity()`` returned.
  ///   - acceptsBaseCopies: Whether every machine may have a copy of the base, with times of its own. Otherwise weight files
  ///     that were made of files with other times are written again.
  ///   - progress: Called from the workers after each job, by one at a time.
  /// - Throws: What a merge throws, and `PartsError`.
  public func writePart(
    _ index: Int, of count: Int, as identity: MergeIdentity, acceptsBaseCopies: Bool = false,
    progress: (@Sendable (MergeProgress) -> Void)? = nil
  ) throws -> PartOutcome {
    try MergeEngine(plan, options: engine).write(
      files(ofPart: index, of: count), to: partsFolder(identity), part: (index, count),
      acceptsBaseCopies: acceptsBaseCopies, progress: progress)
  }

  /// Makes the result of the weight files of all parts; nothing is computed.
  ///
  /// Where a report is asked for, the parts must have collected statistics; where checksums or a verification are, they
  /// must have made them.
  ///
  /// - Parameters:
  ///   - identity: What ``identity()`` returned.
  ///   - acceptsBaseCopies: Whether every machine may have a copy of the base, with times of its own.
  ///   - wait: Called with the number of weight files that are missing; false: they stay missing.
  ///   - check: Called with what all parts found before the result has its name; what it throws refuses the result.
  ///   - made: Called with what all parts found once the result has its name, before the parts are removed; what it throws
  ///     leaves them. Also called for a result that was there already, if the records of all parts still are.
  /// - Returns: Whether the result was there already.
  /// - Throws: ``MissingParts``; `PartsError` for what is wrong; `CheckpointError` if something else has the output's name.
  public func finishParts(
    as identity: MergeIdentity, acceptsBaseCopies: Bool = false, wait: (_ missing: Int) -> Bool = { _ in false },
    check: (MergeOutcome) throws -> Void = { _ in }, made: (MergeOutcome) throws -> Void = { _ in }
  ) throws -> Bool {
    let parts = try partsFolder(identity)
    let card = request.modelCard.map { card in
      ModelCard(card, of: self, title: Paths.lastComponent(parts.output), identity: identity)
    }
    do {
      let outcome = try MergeEngine(plan, options: engine).finish(
        parts, sideFiles: sideFiles, documents: card.map { [$0.file] } ?? [], identity: identity,
        acceptsBaseCopies: acceptsBaseCopies, wait: wait
      ) {
        try check(MergeOutcome(weights: $0, plan: plan, notes: []))
      } made: {
        try made(MergeOutcome(weights: $0, plan: plan, notes: []))
      }
      return outcome == .wasFinished
    } catch let missing as PartsFinisher.Missing {
      throw MissingParts(
        parts.folderPath, missing, plan, counts: try parts.runs().map(\.count),
        hasOtherPlans: try !parts.otherPlans().isEmpty)
    }
  }

  /// What is kept of a merge in parts whose finisher was interrupted.
  public func keptParts(as identity: MergeIdentity) -> KeptWork? {
    guard let parts = try? partsFolder(identity), let records = try? parts.records() else { return nil }
    return KeptWork(
      path: parts.folderPath, finishedShards: records.count, shards: plan.shards.count, partialByteCount: 0)
  }

  /// How many other plans have parts for the same output: of another version, other options or other inputs.
  public func otherPlanCount(as identity: MergeIdentity) throws -> Int {
    try partsFolder(identity).otherPlans().count
  }

  private func partsFolder(_ identity: MergeIdentity) throws -> PartsFolder {
    guard let place, partsObstacle == nil else {
      throw MergeError(path: request.base.path, tensor: nil, .inconsistentPlan("no merge in parts"))
    }
    return PartsFolder(output: place.path, identity: identity)
  }
}
