import Checkpoints
import Inspection
import MergeChecking
import MergePlanning
import Platform
import Safetensors
import Synchronization

/// Compares a result that is complete, but has no name yet, with the merge, by the independent path of `check --against`.
final class ResultVerification: Sendable {
  private let base: Checkpoint
  private let adapters: [AdapterUse]
  private let planning: MergeOptions
  private let options: MergeCheck.Options
  private let resultPath: String
  private let told = Mutex<[String]>([])

  /// - Parameters:
  ///   - adapters: As the plan has them: one, where several were combined.
  ///   - resultPath: The name that the result is to get.
  init(
    base: Checkpoint, adapters: [AdapterUse], result: ResultOptions, workers: Int, interruption: Interruption,
    resultPath: String
  ) {
    self.base = base
    self.adapters = adapters
    planning = result.planning
    self.resultPath = resultPath
    var options = MergeCheck.Options(workers: workers)
    options.isStochastic = result.round.isStochastic
    options.hasPromisedBits = !options.isStochastic
    options.interruption = interruption
    self.options = options
  }

  /// What is worth knowing of the comparison and no fault.
  var notes: [String] { told.withLock { $0 } }

  /// - Parameter path: Where the result is.
  /// - Throws: ``WrongResult`` if an element is not the merge's; what ``MergeCheck/run()`` throws.
  func verify(_ path: String) throws {
    let report = try MergeCheck(
      try Checkpoint(path: path), base: base, adapters: adapters, planning: planning, options: options
    ).run()
    guard let first = report.findings.first else {
      return told.withLock { $0 = report.notes.map { "verified: \($0)" } }
    }
    throw WrongResult(first, count: report.findings.count, file: first.file.map { self.named($0, in: path) })
  }

  /// The path that a file of the result would have got.
  private func named(_ file: String, in path: String) -> String {
    guard file.hasPrefix(path) else { return file }
    return resultPath + file.dropFirst(path.count)
  }
}

/// What was written is not what the merge gives.
struct WrongResult: ReportableError {
  let file: String?
  let tensor: String?
  let message: String
  var errorClass: String { "verify" }
  var category: ErrorCategory { .inputOutput }
  var hint: String? { "nothing was kept of the result; is the memory or the disk damaged?" }

  init(_ finding: Finding, count: Int, file: String?) {
    self.file = file
    tensor = finding.tensor?.string
    message = finding.message + (count == 1 ? "" : " (and \(count - 1) more findings)")
  }
}
