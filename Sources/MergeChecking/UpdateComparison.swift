import Adapters
import Checkpoints
import Inspection
import MergePlanning
import Safetensors

/// Compares the tensors that a merge changes with what they are to become, and looks for what explains those that differ.
struct UpdateComparison {
  let context: CheckContext
  /// The updates of the same merge with PEFT's roundings, by tensor.
  let updatesOfPEFT: [TensorName: TensorUpdate]

  private func subject(_ pair: CheckedPair, _ update: TensorUpdate) -> ComparisonSubject? {
    let weight = pair.planned.content.weight
    guard let sourceType = PlainArithmetic.type(weight.dtype), let type = PlainArithmetic.type(pair.result.dtype)
    else { return nil }
    return ComparisonSubject(
      name: pair.planned.name, weight: weight, sourceType: sourceType, shape: pair.planned.shape, update: update,
      file: context.file(pair.location), range: context.range(pair.location), type: type)
  }

  /// The comparison of one tensor with an update; nil: it can't be compared.
  private func job(
    _ pair: CheckedPair, _ update: TensorUpdate, _ requantized: RequantizedPairs, in pairs: [CheckedPair],
    sample: Int? = nil
  ) throws -> (any TensorJob)? {
    if RequantizedPairs.isCodes(pair) {
      return try requantized.subject(pair, in: pairs, update).map {
        RequantizedJob($0, context.files, sample: sample)
      }
    }
    return subject(pair, update).map {
      ComparisonJob($0, context.files, isStochastic: context.options.isStochastic, sample: sample)
    }
  }

  /// Compares with one update, on all threads.
  private func compare(
    _ pair: CheckedPair, _ update: TensorUpdate, in pairs: [CheckedPair], sample: Int? = nil
  ) throws -> TensorComparison? {
    guard let job = try job(pair, update, RequantizedPairs(pairs, context), in: pairs, sample: sample) else {
      return nil
    }
    try context.onAllThreads(job.pieces.count) { try job.compare(piece: $0) }
    return job.comparison
  }

  /// Compares those of the pairs, and gives each its verdict.
  ///
  /// - Parameters:
  ///   - own: The places of the pairs that are looked at.
  ///   - isWhole: Whether these are all. If not, and nobody says whether the result has to have the promised bits, each pair gets a
  ///     verdict for either case, between which ``settle(_:)`` decides.
  func compare(_ pairs: inout [CheckedPair], _ own: Set<Int>, isWhole: Bool) throws {
    let requantized = RequantizedPairs(pairs, context)
    var jobs: [(pair: Int, job: any TensorJob)] = []
    for number in pairs.indices where own.contains(number) {
      guard let update = pairs[number].update, !RequantizedPairs.isScales(pairs[number]) else { continue }
      if let reason = Self.reasonNotChecked(pairs[number].planned, update) {
        pairs[number].result.verdict = .notChecked(reason)
        continue
      }
      guard update.rows > 0, update.columns > 0 else { continue }
      guard let job = try job(pairs[number], update, requantized, in: pairs) else {
        if RequantizedPairs.isCodes(pairs[number]) {
          pairs[number].result.verdict = .notChecked("the result has no scale for it")
        }
        continue
      }
      jobs.append((number, job))
    }
    try measure(jobs.compactMap { $0.job as? RequantizedJob })
    try onAllThreads(jobs.map(\.job.pieces.count)) { [jobs] in try jobs[$0].job.compare(piece: $1) }
    for (number, job) in jobs { pairs[number].result.comparison = job.comparison }
    let known = hasPromisedBits ?? (isWhole ? mostHavePromisedBits(jobs.map { pairs[$0.pair] }) : nil)
    for (number, job) in jobs {
      let comparison = job.comparison
      pairs[number].result.verdict = try verdict(
        pairs[number], comparison, in: pairs, hasPromisedBits: known ?? true)
      if known == nil, comparison.otherBits != 0, comparison.beyondBound == 0 {
        pairs[number].result.verdictWithoutBits = .rounded
      }
    }
    for number in pairs.indices where own.contains(number) && RequantizedPairs.isScales(pairs[number]) {
      pairs[number].result.verdict = .notChecked("the result has no codes for it")
    }
    for (number, job) in jobs {
      guard let job = job as? RequantizedJob, let scales = requantized.scales(of: pairs[number]) else { continue }
      func verdict(_ codes: MergeCheck.Verdict) -> MergeCheck.Verdict {
        job.scaleVerdict(demandsBits: context.options.hasPromisedBits == true, ofCodes: codes)
      }
      pairs[scales].result.comparison = job.scaleComparison
      pairs[scales].result.verdict = verdict(pairs[number].result.verdict)
      pairs[scales].result.verdictWithoutBits = pairs[number].result.verdictWithoutBits.map(verdict)
    }
  }

  /// Whether the result has to have the very bits of safemerge's arithmetic; nil: if most of its merged tensors have.
  private var hasPromisedBits: Bool? { context.options.isStochastic ? false : context.options.hasPromisedBits }

  /// Whether most of the merged tensors that were compared have the promised bits.
  private func mostHavePromisedBits(_ pairs: [CheckedPair]) -> Bool {
    let compared = pairs.filter { $0.result.isMerged && $0.result.comparison?.otherBits != nil }
    return compared.count { $0.result.comparison?.otherBits == 0 } * 2 > compared.count
  }

  /// Decides between the two verdicts that parts of a check gave.
  func settle(_ pairs: inout [CheckedPair]) {
    // Scales are judged with their codes.
    let compared = pairs.filter { $0.update != nil && !RequantizedPairs.isScales($0) }
    guard hasPromisedBits == nil, !mostHavePromisedBits(compared) else { return }
    for number in pairs.indices {
      if let verdict = pairs[number].result.verdictWithoutBits { pairs[number].result.verdict = verdict }
    }
  }

  /// Finds the codes and scales that the merge promises.
  private func measure(_ jobs: [RequantizedJob]) throws {
    try onAllThreads(jobs.map(\.pieces.count)) { try jobs[$0].measure(piece: $1) }
    for job in jobs { try job.settle() }
  }

  /// Does every piece of some jobs on all threads.
  ///
  /// - Parameters:
  ///   - counts: The pieces of each job.
  ///   - body: Is given the places of a job and of its piece.
  private func onAllThreads(_ counts: [Int], _ body: @Sendable (Int, Int) throws -> Void) throws {
    let pieces = counts.indices.flatMap { job in (0..<counts[job]).map { (job, $0) } }
    try context.onAllThreads(pieces.count) { try body(pieces[$0].0, pieces[$0].1) }
  }

  /// Why a tensor is not computed again; nil: it is.
  private static func reasonNotChecked(_ planned: MergePlan.Tensor, _ update: TensorUpdate) -> String? {
    if update.decomposesWeight { return "the merge decomposes the base weight" }
    return switch planned.content {
    case .computed(.numbersThroughQLoRA, _, _): "check does not quantize the base as in training"
    case .computed(_, _, .requantized(let requantization)) where requantization.nibbles != nil:
      "check does not requantize weights to NF4"
    case .computed, .copied: nil
    }
  }

  private func verdict(
    _ pair: CheckedPair, _ comparison: TensorComparison, in pairs: [CheckedPair], hasPromisedBits: Bool
  ) throws -> MergeCheck.Verdict {
    if comparison.otherBits == 0 { return .exact }
    let otherBits = comparison.otherBits ?? 0
    let isOnlyRounded = comparison.beyondBound == 0
    if isOnlyRounded, !hasPromisedBits || comparison.otherBits == nil { return .rounded }
    // In a small tensor PEFT's roundings may differ in one element alone: no excuse where other bits are asked for.
    let isTold = context.options.hasPromisedBits == true
    if !isTold, let how = try rounding(pair, in: pairs) { return .roundedByPEFT(how) }
    // An order of summing that is another's shows in many elements; damage in few.
    if isOnlyRounded {
      return !isTold && comparison.isWidespread(otherBits) ? .rounded : .damaged(count: otherBits)
    }
    if !comparison.isWidespread(comparison.beyondBound), comparison.elementCount >= 1000 {
      return .damaged(count: comparison.beyondBound)
    }
    let fault = try fault(pair, in: pairs)
    if let fault, fault.isStrong { return .fault(fault.fault) }
    let demandsBits = isTold && comparison.otherBits != nil
    if !demandsBits, comparison.beyondOneUlp == 0, comparison.isWidespread(comparison.beyondBound),
      pair.result.dtype != .f32
    {
      return comparison.scaleFault.map(MergeCheck.Verdict.fault) ?? .roundedSeveralTimes
    }
    if let fault { return .fault(fault.fault) }
    if let fault = comparison.scaleFault { return .fault(fault) }
    return comparison.isWidespread(comparison.beyondBound) ? .different : .damaged(count: comparison.beyondBound)
  }

  /// Which of PEFT's roundings give the tensor's bits; nil: none.
  private func rounding(_ pair: CheckedPair, in pairs: [CheckedPair]) throws -> String? {
    guard !RequantizedPairs.isCodes(pair), let update = updatesOfPEFT[pair.planned.name], !update.decomposesWeight
    else { return nil }
    var candidates: [(String, TensorUpdate)] = [("as PEFT 0.21.2 does", update)]
    candidates.append(("as PEFT does with safe_merge=True", update.roundingDeltas))
    for (how, candidate) in candidates where candidate != pair.update {
      guard try compare(pair, candidate, in: pairs, sample: Self.sampleRows)?.otherBits == 0 else { continue }
      if try compare(pair, candidate, in: pairs)?.otherBits == 0 { return how }
    }
    return nil
  }

  private static let sampleRows = 32

  /// The known fault that explains every element; whether by roundings alone, or only within one ulp.
  private func fault(_ pair: CheckedPair, in pairs: [CheckedPair]) throws -> (fault: Fault, isStrong: Bool)? {
    guard let update = pair.update else { return nil }
    let hypotheses = KnownFaults(plan: context.plan, adapters: context.adapters)
    var best: (fault: Fault, isStrong: Bool, otherwise: Int)?
    func consider(_ fault: Fault, _ comparison: TensorComparison?) {
      guard let comparison, comparison.beyondOneUlp == 0 else { return }
      let isStrong = comparison.beyondBound == 0
      let isBetter = best.map {
        isStrong == $0.isStrong ? comparison.otherwiseRounded < $0.otherwise : isStrong
      }
      if isBetter ?? true { best = (fault, isStrong, comparison.otherwiseRounded) }
    }
    for (fault, changed) in hypotheses.all(pair.planned.name, update) {
      guard try compare(pair, changed, in: pairs, sample: Self.sampleRows)?.beyondOneUlp == 0 else { continue }
      consider(fault, try compare(pair, changed, in: pairs))
    }
    // An adapter's copy of the base's weight may be the base's: its delta is what is missing then.
    if best == nil, context.plan.inputs[pair.planned.source.input].isAdapter,
      let own = context.base.location(of: pair.planned.name),
      try context.isBases(pair, own)
    {
      return (hypotheses.replacementDropped(pair.planned.name), true)
    }
    return best.map { ($0.fault, $0.isStrong) }
  }
}

extension TensorUpdate {
  /// The same update with each delta rounded to the dtype that the sum with it is rounded to.
  fileprivate var roundingDeltas: TensorUpdate {
    let rounded = steps.indices.map { number -> Step in
      guard let addition = steps[number].addition, number + 1 < steps.count, case .round(let dtype) = steps[number + 1]
      else { return steps[number] }
      return steps[number].with(addition.rounded(to: dtype))
    }
    return TensorUpdate(rows: rows, columns: columns, steps: rounded)
  }
}
