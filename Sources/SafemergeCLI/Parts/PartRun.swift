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
  /// Writes the report of the whole merge, where one is asked for.
  let writeReport: (MergeOutcome) throws -> Void

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
    let outcome = try merge.writePart(part.index, of: part.count, as: identity) { line.update($0) }
    line.finish()
    clock.finish("weights")
    teller.tell(clock)
    try teller.finish(PartSummary(part, outcome, output: merge.request.output, duration: clock.duration))
  }

  private func finish(as identity: MergeIdentity, _ line: ProgressLine, _ clock: inout StepClock) throws {
    let end = ContinuousClock.now + .seconds(options.wait ?? PartOptions.defaultWait)
    let interruption = merge.engine.interruption
    let wasThere: Bool
    var hasReport = merge.reportPlace?.isTaken ?? true
    do {
      wasThere = try merge.finishParts(as: identity, acceptsBaseCopies: options.baseCopies) {
        // Every two seconds, and at once after a signal.
        for _ in 0..<20 {
          guard ContinuousClock.now < end, (try? interruption.check()) != nil else { return false }
          Machine.sleep(milliseconds: 100)
        }
        return true
      } made: { outcome in
        line.finish()
        clock.finish("result")
        teller.tell(outcome)
        guard !hasReport else { return }
        try writeReport(outcome)
        hasReport = true
        clock.finish("report")
      }
    } catch {
      try interruption.check()
      throw error
    }
    line.finish()
    if !hasReport, let place = merge.reportPlace { try LostReport.check(place, output: merge.request.output) }
    teller.tell(clock)
    try teller.finish(
      PartSummary(
        finished: merge.plan.shards.count, wasThere: wasThere, output: merge.request.output, duration: clock.duration))
  }
}
