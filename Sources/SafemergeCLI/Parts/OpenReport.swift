import Merging
import Staging

/// What a finisher of a merge in parts still has to do about the report.
enum OpenReport {
  case toWrite(ReportFile)
  /// A file has the report's name: another process may have made the result and the report, of which this machine sees only the
  /// report yet.
  case toCompare(ReportFile)
  case nothing

  /// - Parameter report: Nil: none is wanted.
  init(_ report: ReportFile?) {
    self = report.map { $0.place.isTaken ? .toCompare($0) : .toWrite($0) } ?? .nothing
  }

  /// Checks that the file that has the report's name is the report.
  mutating func compare(_ outcome: MergeOutcome) throws {
    guard case .toCompare(let report) = self else { return }
    try report.compare(outcome)
    self = .nothing
  }

  /// Writes the report of a result that has its name; false if there is nothing to write.
  mutating func write(_ outcome: MergeOutcome, _ teller: MergeTeller) throws -> Bool {
    guard case .toWrite(let report) = self else { return false }
    try report.write(outcome, teller)
    self = .nothing
    return true
  }

  /// Says what could not be done because the records of the parts are gone.
  ///
  /// - Throws: ``LostReport`` where nobody has written the report.
  func finish(output: String?, _ teller: MergeTeller) throws {
    switch self {
    case .toWrite(let report): try LostReport.check(report.place, output: output)
    case .toCompare(let report):
      teller.tell(note: "\(report.place.path): was there already, and the records to compare it with are gone")
    case .nothing: break
    }
  }
}
