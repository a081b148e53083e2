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

/// The output of a merge in progress: lines for people on standard error, and events for programs on standard output.
struct MergeTeller {
  let isQuiet: Bool
  let verbosity: Int
  let isJSON: Bool

  /// Whether lines for people are printed.
  private var speaks: Bool { !isQuiet && !isJSON }

  private func write(_ lines: [String]) {
    guard speaks else { return }
    let screen = Screen.error
    for line in lines {
      for piece in screen.wrapped(line, indentation: LabeledLine.indentation) { Diagnostics.write(piece) }
    }
  }

  /// A warning is about a result that may not be what was meant: `--quiet` does not silence it.
  ///
  /// - Parameter kind: Nil for a warning without a class.
  func warn(_ message: String, _ kind: MergeWarning.Kind? = nil) {
    Diagnostics.warning(message)
    EventStream.standard.warning(message, kind: kind)
  }

  /// A note that is not a warning.
  func tell(note: String) {
    write([note])
    EventStream.standard.note(note)
  }

  /// The plan.
  func tell(_ plan: PlanText, _ engine: MergeEngine.Options) {
    write(plan.summary + (verbosity > 0 ? plan.details(copies: verbosity > 1) : []))
    if verbosity > 1 {
      write([LabeledLine.text("using", "kernels \(engine.kernels.name), copies \(engine.copyMode.rawValue)")])
    }
  }

  /// The durations of the steps.
  func tell(_ clock: StepClock) {
    if verbosity > 1 { write([clock.line]) }
  }

  /// Notes that weight files completed by an earlier run are made again, because statistics were requested.
  func tellWhatIsMadeAgain(_ merge: PreparedMerge) {
    let asksForNumbers =
      merge.engine.collectsStatistics || merge.engine.nonFinite == .warn || merge.plan.measuresTensors
    guard merge.request.resumes, asksForNumbers, let place = merge.place,
      let work = try? UnfinishedWork(output: place.path), work.finishedFiles > 0
    else { return }
    let files = NumberText.counted(work.finishedFiles, "weight file")
    tell(note: "\(files) of an interrupted merge in \(work.path) will be recomputed: the statistics need every tensor")
  }

  /// The outcome of the merge.
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

  /// What merging adapters again would make of a model that they were taken out of.
  func tell(returned text: ReturnedText) {
    EventStream.standard.returned(text)
    write([text.line])
  }

  /// How a model that adapters were taken out of differs from another one.
  func tell(compared text: ComparedText) {
    EventStream.standard.compared(text)
    write([text.line.escapingUnprintable])
  }

  /// The summary of a written report.
  func tell(_ report: MergeReport, at place: ReportPlace) {
    EventStream.standard.report(report, at: place.path)
    if let warning = report.sizeWarning { warn(warning) }
    write(ReportText(report: report, path: place.path).lines)
  }

  /// The adapters as reported for modules; combined adapters count as one, whose factors include the weights.
  static func reportedAdapters(_ request: MergeRequest) -> [MergeReport.Request.Adapter] {
    guard request.combination != nil else {
      return request.adapters.map { .init(path: $0.adapter.path, weights: $0.weights) }
    }
    let parts = request.adapters.map { $0.weights.argument($0.adapter.path) }
    return [.init(path: parts.joined(separator: " + "), weight: 1)]
  }

  /// The summary.
  func finish(_ summary: MergeSummary) throws {
    write(summary.lines)
    EventStream.standard.done(summary)
    try EventStream.standard.check()
  }

  /// What a part of a merge writes.
  func tell(part text: String) { write([LabeledLine.text("part", text)]) }

  /// The summary of a part of a merge, or of the result of all.
  func finish(_ summary: PartSummary) throws {
    write([summary.line.escapingUnprintable])
    EventStream.standard.done(summary)
    try EventStream.standard.check()
  }

  /// The summary of a dry run, on standard output.
  func finishDryRun(_ text: PlanText, _ summary: MergeSummary) throws {
    if isJSON { return try finish(summary) }
    var output = StandardOutput()
    let screen = Screen.output
    for line in text.summary + text.details(copies: true) {
      for piece in screen.wrapped(line, indentation: LabeledLine.indentation) { try output.write(piece + "\n") }
    }
    try output.finish()
  }
}
