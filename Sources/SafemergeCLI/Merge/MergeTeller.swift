import Adapters
import Checkpoints
import Checksums
import JSONText
import MergeEngine
import MergePlanning
import Merging
import Platform
import Reports
import Staging
import TileKernels

/// What a merge says while it goes on: lines for people on standard error, and events for programs on standard output.
struct MergeTeller {
  let isQuiet: Bool
  let verbosity: Int
  let isJSON: Bool

  /// Whether lines for people are printed.
  private var speaks: Bool { !isQuiet && !isJSON }

  private func write(_ lines: [String]) {
    if speaks { for line in lines { Diagnostics.write(line) } }
  }

  /// A warning is about a result that may not be what was meant: `--quiet` does not silence it.
  ///
  /// - Parameter kind: Nil: one that has no class of its own.
  func warn(_ message: String, _ kind: MergeWarning.Kind? = nil) {
    Diagnostics.warning(message)
    EventStream.standard.warning(message, kind: kind)
  }

  /// What is worth knowing and no reason to worry.
  func tell(note: String) {
    write([note])
    EventStream.standard.note(note)
  }

  /// What will be done.
  func tell(_ plan: PlanText, _ engine: MergeEngine.Options) {
    write(plan.summary + (verbosity > 0 ? plan.details(copies: verbosity > 1) : []))
    if verbosity > 1 { write(["using    kernels \(engine.kernels.name), copies \(engine.copyMode.rawValue)"]) }
  }

  /// How long the steps took.
  func tell(_ clock: StepClock) {
    if verbosity > 1 { write([clock.line]) }
  }

  /// Says that weight files which a run before completed are made again, because numbers of the computation are asked for.
  func tellWhatIsMadeAgain(_ merge: PreparedMerge) {
    let asksForNumbers =
      merge.engine.collectsStatistics || merge.engine.nonFinite == .warn || merge.plan.measuresTensors
    guard merge.request.resumes, asksForNumbers, let place = merge.place,
      let work = UnfinishedWork(output: place.path), work.finishedFiles > 0
    else { return }
    let files = NumberText.counted(work.finishedFiles, "weight file")
    tell(note: "\(files) of an interrupted merge in \(work.path) are computed again, for what is told of them")
  }

  /// What the merge found.
  func tell(_ outcome: MergeOutcome) {
    for note in outcome.notes { tell(note: note) }
    for shard in outcome.shards where shard.isKept { EventStream.standard.shard(shard) }
    for notice in outcome.notices { warn(notice.message, notice.kind) }
    for warning in outcome.requantizingWarnings { warn(warning) }
    let trained = outcome.weights.statistics.filter { $0.trainingSquares != nil }
    if !trained.isEmpty {
      EventStream.standard.training(trained)
      write([TrainingText(trained).line.escapingUnprintable])
    }
    if !outcome.weights.requantized.isEmpty {
      EventStream.standard.requantized(outcome.weights)
      write([RequantizedText(outcome.weights.requantized).line.escapingUnprintable])
    }
  }

  /// What stands in a report that was written.
  func tell(_ report: MergeReport, at place: ReportPlace) {
    EventStream.standard.report(report, at: place.path)
    if let warning = report.sizeWarning { warn(warning) }
    write(ReportText(report: report).lines)
  }

  /// The adapters that modules are told of; those that were combined are one, whose weights are in its factors.
  static func reportedAdapters(_ request: MergeRequest) -> [MergeReport.Request.Adapter] {
    guard request.combination != nil else {
      return request.adapters.map { .init(path: $0.adapter.path, weight: $0.weight) }
    }
    let parts = request.adapters.map {
      $0.weight == 1 ? $0.adapter.path : "\($0.adapter.path)=\(NumberText.number($0.weight))"
    }
    return [.init(path: parts.joined(separator: " + "), weight: 1)]
  }

  /// What was done.
  func finish(_ summary: MergeSummary) throws {
    write(summary.lines)
    EventStream.standard.done(summary)
    try EventStream.standard.check()
  }

  /// What would be done, on standard output.
  func finishDryRun(_ text: PlanText, _ summary: MergeSummary) throws {
    if isJSON { return try finish(summary) }
    var output = StandardOutput()
    for line in text.summary + text.details(copies: true) { try output.write(line + "\n") }
    try output.finish()
  }
}
