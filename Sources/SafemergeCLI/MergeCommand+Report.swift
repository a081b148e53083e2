import Adapters
import Checkpoints
import JSONText
import MergeEngine
import MergePlanning
import ReportPage

extension MergeCommand {
  /// Where the report goes, checked; nil if none is wanted.
  func reportPlace(_ checkpoint: Checkpoint, _ uses: [AdapterUse]) throws -> ReportPlace? {
    guard let report else { return nil }
    let inputs = OutputPlace.inputPaths(checkpoint, uses.map(\.adapter)) + [ModelArgument.cache.path]
    return try ReportPlace(path: report, inputs: inputs, output: output, force: force)
  }

  /// Whether the report is a page.
  private var isPage: Bool { report.map { $0.hasSuffix(".html") || $0.hasSuffix(".htm") } ?? false }

  /// Says what the merge found, and writes the report if there is a place for one.
  func tell(
    _ outcome: MergeEngine.Outcome, _ plan: MergePlan, _ options: MergeEngine.Options, _ checkpoint: Checkpoint,
    _ uses: [AdapterUse], at place: ReportPlace?
  ) throws {
    for notice in outcome.notices(plan) { warn(notice) }
    for warning in outcome.requantisingWarnings { warn(warning) }
    let trained = outcome.statistics.filter { $0.trainingSquares != nil }
    if !trained.isEmpty {
      EventStream.standard.training(trained)
      if speaks { Diagnostics.write(TrainingText(trained).line.escapingUnprintable) }
    }
    if !outcome.requantised.isEmpty {
      EventStream.standard.requantised(outcome)
      if speaks { Diagnostics.write(RequantisedText(outcome.requantised).line.escapingUnprintable) }
    }
    guard let place else { return }
    let request = MergeReport.Request(
      program: Safemerge.version, base: checkpoint.path, adapters: reportedAdapters(uses), output: output ?? "",
      options: reportedOptions)
    let report = MergeReport(request, plan: plan, options: options, outcome: outcome)
    let json = report.json
    try place.write(isPage ? ReportPage(ReportDocument(json.span, path: place.path)).html : json)
    EventStream.standard.report(report, at: place.path)
    if let warning = report.sizeWarning { warn(warning) }
    if speaks { for line in ReportText(report: report).lines { Diagnostics.write(line) } }
  }

  /// The adapters that modules are told of; those that were combined are one, whose weights are in its factors.
  private func reportedAdapters(_ uses: [AdapterUse]) -> [MergeReport.Request.Adapter] {
    guard combine.combination(result.arithmetic) != nil else {
      return uses.map { .init(path: $0.adapter.path, weight: $0.weight) }
    }
    let parts = uses.map { $0.weight == 1 ? $0.adapter.path : "\($0.adapter.path)=\(Quantities.number($0.weight))" }
    return [.init(path: parts.joined(separator: " + "), weight: 1)]
  }

  /// Everything on the command line that decides the result's bytes.
  ///
  /// - Parameter library: The LAPACK that takes tensors apart, whose bits are its own; nil: none is needed.
  func identityOptions(_ uses: [AdapterUse], library: String?) -> [MergeIdentity.Option] {
    var options = reportedOptions
    if combine.method != nil {
      if let rank = combine.svdRank { options.append(.init(name: "svd-rank", value: String(rank))) }
      if let clamp = combine.svdClamp { options.append(.init(name: "svd-clamp", value: "\(clamp)")) }
    }
    for (number, use) in uses.enumerated() {
      options.append(.init(name: "weight \(number + 1)", value: "\(use.weight)"))
    }
    if let library { options.append(.init(name: "lapack", value: Paths.lastComponent(library))) }
    return options
  }

  /// The options that decide the result, under the names of the command line.
  private var reportedOptions: [MergeIdentity.Option] {
    let rounding =
      switch result.round.rounding {
      case .nearest: "nearest"
      case .stochastic(let seed): "stochastic:\(seed)"
      }
    var options: [(String, String)] = [
      ("dtype", result.dtype.rawValue), ("arithmetic", result.arithmetic.rawValue), ("round", rounding),
      ("tied", result.tied.rawValue),
      ("mha-out-proj", result.mhaOutProj.rawValue), ("expert-layout", result.expertLayout?.rawValue ?? "auto"),
      ("add-tensors", result.addTensors ? "true" : "false"), ("on-nonfinite", onNonfinite.rawValue),
    ]
    options += result.map.enumerated().map {
      ("map \($0.offset + 1)", "\($0.element.map.pattern)=\($0.element.map.replacement)")
    }
    if let isTransposed = result.fanInFanOut { options.append(("fan-in-fan-out", isTransposed ? "true" : "false")) }
    if let format = result.requantize { options.append(("requantize", format.rawValue)) }
    if let training = result.baseWas { options.append(("base-was", training.text)) }
    if let size = result.maxShardSize { options.append(("max-shard-size", String(size.byteCount))) }
    if result.singleFile { options.append(("single-file", "true")) }
    if let method = combine.method {
      options.append(("combine", method.rawValue))
      if let density = combine.density { options.append(("density", Quantities.number(density))) }
      if let sign = combine.majoritySign { options.append(("majority-sign", sign.rawValue)) }
      if let seed = combine.seed { options.append(("seed", String(seed))) }
    }
    return options.map { .init(name: $0.0, value: $0.1) }
  }
}
