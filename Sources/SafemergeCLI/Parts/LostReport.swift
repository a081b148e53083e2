import Checkpoints
import Platform
import Staging

/// A report of a merge in parts that cannot be made any more.
struct LostReport: ReportableError {
  /// The report's path.
  let file: String?
  let output: String
  var errorClass: String { "parts-statistics" }
  var category: ErrorCategory { .inputOutput }
  var message: String {
    "\(output) was merged already, and the records of its parts, of which the report is made, are gone"
  }
  var hint: String? { "the output is complete; for a report, remove it and merge again with --report" }

  /// - Throws: Unless another process has written the report.
  static func check(_ place: ReportPlace, output: String?) throws(LostReport) {
    // By a listing: a client of a network file system may remember that the name was absent.
    let names = try? SystemCalls.entries(ofFolder: Paths.folder(place.path))
    if names?.contains(where: { Paths.areEqual($0, Paths.lastComponent(place.path)) }) == true { return }
    if names == nil, (try? SystemCalls.identity(path: place.path)) != nil { return }
    throw LostReport(file: place.path, output: output ?? "the output")
  }
}
