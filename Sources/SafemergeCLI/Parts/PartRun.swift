import JSONText
import MergeEngine
import MergePlanning
import Merging
import Platform
import Staging

/// A merge in parts, once it is planned: writes one part, or makes the result of all.
struct PartRun {
  let options: PartOptions
  /// The part that this process writes, and the variable that told it; nil: it makes the result.
  let part: (part: PartNumber, variable: String?)?
  let merge: PreparedMerge
  let teller: MergeTeller
  /// The report of the whole merge; nil: none is wanted.
  let report: ReportFile?

  /// - Throws: ``UsageError`` for a merge that is not made in parts.
  func check() throws(UsageError) {
    guard let obstacle = merge.partsObstacle else { return }
    throw UsageError("\(options.finish ? "--finish" : "--part"): \(obstacle.reason)", hint: obstacle.hint)
  }

  func run(as identity: MergeIdentity, _ line: ProgressLine, _ clock: inout StepClock) throws {
    let others = try merge.otherPlanCount(as: identity)
    if others > 0 {
      teller.tell(
        note:
          "parts of \(NumberText.counted(others, "other merge")) to this output are there: of another version, other options or inputs"
      )
    }
    if let part { try write(part.part, as: identity, line, &clock) } else { try finish(as: identity, line, &clock) }
  }

  /// What a part is, before it is written.
  func announce() {
    guard let part else { return }
    let files = merge.files(ofPart: part.part.index, of: part.part.count)
    let bytes = files.reduce(0) { $0 + merge.plan.shards[$1].fileByteCount }
    let source = part.variable.map { " (\($0))" } ?? ""
    teller.tell(
      part:
        "\(part.part.index)/\(part.part.count)\(source)   \(Self.files(files.count, of: merge.plan.shards.count)), \(NumberText.bytes(bytes))"
    )
    EventStream.standard.part(
      part.part, variable: part.variable, files: files.map { merge.plan.shards[$0].name }, bytes)
  }

  private static func files(_ count: Int, of all: Int) -> String { "\(count) of \(NumberText.counted(all, "file"))" }

  private func write(
    _ part: PartNumber, as identity: MergeIdentity, _ line: ProgressLine, _ clock: inout StepClock
  ) throws {
    let outcome = try merge.writePart(
      part.index, of: part.count, as: identity, acceptsBaseCopies: options.baseCopies
    ) { line.update($0) }
    line.finish()
    for shard in outcome.shards where shard.isKept { EventStream.standard.shard(shard) }
    clock.finish("weights")
    teller.tell(clock)
    try teller.finish(PartSummary(part, outcome, output: merge.request.output, duration: clock.duration))
  }

  private func finish(as identity: MergeIdentity, _ line: ProgressLine, _ clock: inout StepClock) throws {
    let wait = FinisherWait(options.wait)
    let interruption = merge.engine.interruption
    let wasThere: Bool
    var openReport = OpenReport(report)
    var waits = false
    do {
      wasThere = try merge.finishParts(as: identity, acceptsBaseCopies: options.baseCopies) { missing in
        if !waits, wait.seconds > 0 { tellWaiting(wait.seconds, missing) }
        waits = true
        return wait.next { (try? interruption.check()) == nil }
      } check: { outcome in
        try openReport.compare(outcome)
      } made: { outcome in
        try openReport.compare(outcome)
        line.finish()
        clock.finish("result")
        teller.tell(outcome)
        if try openReport.write(outcome, teller) { clock.finish("report") }
      }
    } catch {
      if (try? interruption.check()) == nil, let kept = merge.keptParts(as: identity) {
        throw InterruptedMerge(kept: kept)
      }
      throw error
    }
    line.finish()
    try openReport.finish(output: merge.request.output, teller)
    teller.tell(clock)
    try teller.finish(
      PartSummary(
        finished: merge.plan.shards.count, wasThere: wasThere, output: merge.request.output, duration: clock.duration))
  }

  /// What a process waits for.
  private func tellWaiting(_ seconds: Int, _ missing: Int) {
    let all = NumberText.counted(merge.plan.shards.count, "weight file")
    teller.tell(note: "waiting up to \(seconds) s for \(missing) of \(all)")
    guard let report, report.place.isTaken else { return }
    teller.tell(note: "\(report.place.path): is there already; only the report of this merge may be")
  }
}
