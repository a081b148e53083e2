import Adapters
import Checkpoints
import Checksums
import JSONText
import LinearAlgebra
import MergeEngine
import MergePlanning
import Platform
import Reports
import Staging

extension MergeCommand {
  /// Where the report goes, checked; nil if none is wanted.
  func reportPlace(_ checkpoint: Checkpoint, _ uses: [AdapterUse]) throws -> ReportPlace? {
    guard let report else { return nil }
    let inputs = OutputPlace.inputPaths(checkpoint, uses.map(\.adapter)) + [ModelArgument.cache.path]
    return try ReportPlace(path: report, inputs: inputs, output: output, force: force)
  }

  /// Whether the report is a page.
  private var isPage: Bool { report.map { $0.hasSuffix(".html") || $0.hasSuffix(".htm") } ?? false }

  /// Says that weight files which a run before completed are made again, because numbers of the computation are asked for.
  func tellWhatIsMadeAgain(_ plan: MergePlan, output: String) {
    guard safety.resume, report != nil || onNonfinite == .warn || plan.measuresTensors,
      let work = UnfinishedWork(output: output), work.finishedFiles > 0
    else { return }
    let files = NumberText.counted(work.finishedFiles, "weight file")
    tell(note: "\(files) of an interrupted merge in \(work.path) are computed again, for what is told of them")
  }

  /// Says what the merge found, and writes the report if there is a place for one.
  func tell(
    _ outcome: MergeEngine.Outcome, _ plan: MergePlan, _ options: MergeEngine.Options, _ checkpoint: Checkpoint,
    _ uses: [AdapterUse], at place: ReportPlace?
  ) throws {
    for notice in outcome.notices(plan) { warn(notice) }
    for warning in outcome.requantizingWarnings { warn(warning) }
    let trained = outcome.statistics.filter { $0.trainingSquares != nil }
    if !trained.isEmpty {
      EventStream.standard.training(trained)
      if speaks { Diagnostics.write(TrainingText(trained).line.escapingUnprintable) }
    }
    if !outcome.requantized.isEmpty {
      EventStream.standard.requantized(outcome)
      if speaks { Diagnostics.write(RequantizedText(outcome.requantized).line.escapingUnprintable) }
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
    let parts = uses.map { $0.weight == 1 ? $0.adapter.path : "\($0.adapter.path)=\(NumberText.number($0.weight))" }
    return [.init(path: parts.joined(separator: " + "), weight: 1)]
  }

  /// Everything on the command line that decides the result's bytes.
  ///
  /// - Parameter decomposer: The LAPACK that takes tensors apart, whose bits are its own; nil: none is needed.
  func identityOptions(_ uses: [AdapterUse], _ decomposer: MatrixDecomposer?) throws -> [MergeIdentity.Option] {
    var options = reportedOptions
    if combine.method != nil {
      if let rank = combine.svdRank { options.append(.init(name: "svd-rank", value: String(rank))) }
      if let clamp = combine.svdClamp { options.append(.init(name: "svd-clamp", value: "\(clamp)")) }
    }
    for (number, use) in uses.enumerated() {
      options.append(.init(name: "weight \(number + 1)", value: "\(use.weight)"))
    }
    if let decomposer {
      options.append(.init(name: "lapack", value: Paths.lastComponent(decomposer.libraryName)))
      if let checksum = try decomposer.libraryChecksum() {
        options.append(.init(name: "lapack-sha256", value: checksum.description))
      }
    }
    return options
  }

  /// The options that decide the result, under the names of the command line.
  private var reportedOptions: [MergeIdentity.Option] {
    var options = result.recorded.map { ($0.name, $0.value) }
    options.append(("on-nonfinite", onNonfinite.rawValue))
    if let method = combine.method {
      options.append(("combine", method.rawValue))
      if let density = combine.density { options.append(("density", NumberText.number(density))) }
      if let sign = combine.majoritySign { options.append(("majority-sign", sign.rawValue)) }
      if let seed = combine.seed { options.append(("seed", String(seed))) }
    }
    return options.map { .init(name: $0.0, value: $0.1) }
  }
}
