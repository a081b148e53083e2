import Adapters
import Checkpoints
import Checksums
import LinearAlgebra
import MergeEngine
import MergePlanning
import Platform
import Staging

/// A merge that is planned, whose output is locked, and of which everything was checked that can be before it is carried
/// out.
public struct PreparedMerge: Sendable {
  public let request: MergeRequest
  /// Every tensor of the output, and what will be done to it.
  public let plan: MergePlan
  /// What goes along with the weights.
  public let sideFiles: SideFiles
  /// The rows of the embedding against the tokens of the tokenizer, where an adapter brought either.
  public let vocabulary: VocabularyCheck?
  /// What a person should know about the inputs and the plan.
  public let warnings: [String]
  /// How the plan will be carried out.
  public internal(set) var engine: MergeEngine.Options
  /// The adapters as the plan has them: one, where several were combined.
  let mergedAdapters: [AdapterUse]
  /// Nil: no report is wanted.
  package let reportPlace: ReportPlace?
  private let reserved: ReservedOutput
  private let adapterChecksums: AdapterChecksums

  /// What the merge holds at the most.
  public var memory: MemoryNeed { engine.memoryNeed(plan) }

  /// Where the result goes; nil: there is no output.
  package var place: OutputPlace? { reserved.place }

  init(
    _ request: MergeRequest, in reserved: ReservedOutput, warn: (_ message: String, _ kind: MergeWarning.Kind?) -> Void
  ) throws {
    self.request = request
    self.reserved = reserved
    let (base, adapters) = (request.base, request.adapters.map(\.adapter))
    var engine = request.engine
    engine.prepare(for: request.verification)
    if request.isUnmerge {
      try UnmergeCheck.check(request)
      engine.countsReturns = true
    }
    if adapters.count > 1, request.combination?.needsDecompositions == true {
      engine.decomposer = try engine.decomposer ?? MatrixDecomposer(lapack: request.lapack)
    }
    let combined = try Self.combined(request, reserved, engine)
    mergedAdapters = combined.map { [AdapterUse($0.adapter)] } ?? request.adapters
    var checksums = AdapterChecksums(adapters)
    let planning = try request.planning.with(originOf: request, &checksums, engine.interruption)
    do { plan = try MergePlan(base: base, adapters: mergedAdapters, options: planning) } catch {
      // What was odd about the base's files may be why nothing fits.
      for warning in base.warnings { warn(warning, nil) }
      throw error
    }
    if case .stochastic = engine.rounding, plan.quantization?.requantized ?? 0 > 0 {
      throw PlanError(path: base.path, tensor: nil, .requantizing("stochastic rounding"))
    }
    if plan.needsDecompositions {
      engine.decomposer = try engine.decomposer ?? MatrixDecomposer(lapack: request.lapack)
    }
    try MatrixDecomposer.check(plan)
    sideFiles = try SideFiles(plan, base: base, adapters: adapters, selection: request.sideFiles)
    vocabulary = try VocabularyCheck(plan, sideFiles)
    try ModelCardError.check(request, sideFiles)
    reportPlace = try request.report.map { path in
      try ReportPlace(
        path: path, inputs: OutputPlace.inputPaths(base, adapters) + request.protectedPaths, output: request.output,
        // Parts write none, and their finisher looks when it knows whether the result is there already.
        force: request.force || request.isInParts)
    }
    if let limit = request.memoryLimit { try engine.limitMemory(to: limit, for: plan) }
    self.engine = engine
    var told: [String] = []
    func tell(_ message: String, _ kind: MergeWarning.Kind? = nil) {
      told.append(message)
      warn(message, kind)
    }
    for warning in request.warnings + (combined?.warnings ?? []) + plan.warnings + sideFiles.warnings { tell(warning) }
    // Those of a combined adapter are none: they are the adapters' that were given.
    for notice in MergeWarning.zeroScalings(request.adapters) { tell(notice.message, notice.kind) }
    if !request.isUnmerge {
      for notice in try RepeatedAdapters.warnings(adapters, base: base, &checksums, engine.interruption) {
        tell(notice.message, notice.kind)
      }
    }
    warnings = told
    adapterChecksums = checksums
  }

  /// The adapters as one, where more than their sum is asked for.
  private static func combined(
    _ request: MergeRequest, _ reserved: ReservedOutput, _ engine: MergeEngine.Options
  ) throws -> CombinedAdapter? {
    guard let method = request.combination, let folder = reserved.workspace?.path else { return nil }
    var options = CombinedAdapter.Options(
      temporaryFolder: folder, workers: engine.workers, kernels: engine.kernels, computes: reserved.staging != nil)
    options.folder = folder
    options.decomposer = engine.decomposer
    options.interruption = engine.interruption
    return try CombinedAdapter(
      request.adapters, method: method, base: request.base, planning: request.planning, options: options)
  }

  /// What decides the result, read from all files that are read whole: what a next run has to have in common with this one
  /// to resume its work.
  ///
  /// - Returns: Nil: nothing is recorded.
  public func identity() throws -> MergeIdentity? {
    guard let record = request.record else { return nil }
    var options = record.options
    for (number, use) in request.adapters.enumerated() {
      options.append(.init(name: "weight \(number + 1)", value: use.weights.text))
    }
    if !request.resultIsFolder {
      // The file has them in its header.
      for (number, use) in request.adapters.enumerated() {
        options.append(.init(name: "name \(number + 1)", value: Paths.lastComponent(use.adapter.path)))
      }
    }
    if let decomposer = engine.decomposer {
      // Its bits are its own.
      options.append(.init(name: "lapack", value: Paths.lastComponent(decomposer.libraryName)))
      if let checksum = try decomposer.libraryChecksum() {
        options.append(.init(name: "lapack-sha256", value: checksum.description))
      }
    }
    return try MergeIdentity(
      version: record.version, options: options, base: request.base, adapters: request.adapters.map(\.adapter),
      checksums: adapterChecksums, plan: plan, sideFiles: sideFiles, workers: engine.workers,
      interruption: engine.interruption)
  }

  /// Writes the result, on the caller's thread and the workers; it is complete or untouched afterwards.
  ///
  /// - Parameters:
  ///   - identity: What ``identity()`` returned.
  ///   - progress: Called from worker threads, one call at a time.
  /// - Throws: `MergeError`, `CheckpointError`, `SafetensorsError`, ``WrongResult``, as `UnfinishedMerge` where work is kept;
  ///   `InterruptedMerge` if the engine's interruption asked for it.
  @discardableResult
  public func run(
    as identity: MergeIdentity?, progress: (@Sendable (MergeProgress) -> Void)? = nil
  ) throws -> MergeOutcome {
    guard let staging = reserved.staging else {
      throw MergeError(path: request.base.path, tensor: nil, .inconsistentPlan("no output was asked for"))
    }
    var options = engine
    let verification = ResultVerification(self, resultPath: staging.place.path)
    if request.verification == .full { options.judge = { try verification.verify($0) } }
    let card = request.modelCard.map { card in
      ModelCard(card, of: self, title: Paths.lastComponent(staging.place.path), identity: identity)
    }
    // The factors of combined adapters are needed until the merge is done.
    return try withExtendedLifetime(reserved) {
      let outcome = try MergeEngine(plan, options: options).run(
        in: staging, sideFiles: sideFiles, documents: card.map { [$0.file] } ?? [], identity: identity,
        resumes: request.resumes, progress: progress)
      return MergeOutcome(weights: outcome, plan: plan, notes: verification.notes)
    }
  }

  /// Writes the result, and the record of it where one is asked for.
  @discardableResult
  public func run(progress: (@Sendable (MergeProgress) -> Void)? = nil) throws -> MergeOutcome {
    try run(as: identity(), progress: progress)
  }
}

extension MergeEngine.Options {
  /// Turns on what a verification needs.
  fileprivate mutating func prepare(for verification: MergeRequest.Verification) {
    guard verification != .none else { return }
    computesChecksums = true
    self.verification = .read
  }
}
