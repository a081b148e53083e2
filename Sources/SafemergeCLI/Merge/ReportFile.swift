import Checkpoints
import MergeEngine
import Merging
import Platform
import Reports
import Staging

/// The report of a merge, as a file.
struct ReportFile {
  private let merge: PreparedMerge
  let place: ReportPlace
  private let options: [MergeIdentity.Option]

  /// - Parameters:
  ///   - merge: The merge; nil is returned if no report of it is wanted.
  ///   - options: The options that the report shows.
  init?(_ merge: PreparedMerge, options: [MergeIdentity.Option]) {
    guard let place = merge.reportPlace else { return nil }
    (self.merge, self.place, self.options) = (merge, place, options)
  }

  /// Writes the report and prints a summary of it.
  func write(_ outcome: MergeOutcome, _ teller: MergeTeller) throws {
    // A report on a model of many tensors takes seconds, and the result is already in place.
    Signals.endAtOnce(
      saying: "interrupted; the output is complete, but its report was not written", events: teller.isJSON)
    let (report, text) = try contents(outcome)
    Signals.remember()
    do { try place.write(text) } catch let error as ReportPlaceError {
      // Of parts another process may have written the same one meanwhile.
      guard merge.request.isInParts, place.holds(text) else { throw error }
    }
    teller.tell(report, at: place)
  }

  /// Checks that the file that has the report's name is this report.
  ///
  /// - Throws: `ReportPlaceError`.
  func compare(_ outcome: MergeOutcome) throws {
    guard place.holds(try contents(outcome).text) else { throw place.taken }
  }

  private func contents(_ outcome: MergeOutcome) throws -> (report: MergeReport, text: [UInt8]) {
    let request = MergeReport.Request(
      program: Safemerge.version, base: merge.request.base.path, adapters: MergeTeller.reportedAdapters(merge.request),
      output: merge.request.output ?? "", options: options)
    let report = MergeReport(request, plan: merge.plan, options: merge.engine, outcome: outcome.weights)
    let isPage = place.path.hasSuffix(".html") || place.path.hasSuffix(".htm")
    let json = report.json
    return (report, isPage ? try ReportPage(ReportDocument(json.span, path: place.path)).html : json)
  }
}
