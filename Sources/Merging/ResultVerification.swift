import Checkpoints
import Inspection
import MergeChecking
import MergeEngine
import MergePlanning
import Platform
import Safetensors
import Synchronization

/// Compares a result that is complete, but has no name yet, with the merge, by the independent path of `check --against`.
package final class ResultVerification: Sendable {
  private let base: Checkpoint
  private let adapters: [AdapterUse]
  private let planning: MergeOptions
  private let options: MergeCheck.Options
  private let resultPath: String
  private let told = Mutex<[String]>([])

  /// - Parameter resultPath: The name that the result is to get.
  package init(_ merge: PreparedMerge, resultPath: String) {
    base = merge.request.base
    adapters = merge.mergedAdapters
    planning = merge.request.planning
    self.resultPath = resultPath
    var options = MergeCheck.Options(workers: merge.engine.workers)
    if case .stochastic = merge.engine.rounding { options.isStochastic = true }
    options.hasPromisedBits = !options.isStochastic
    options.interruption = merge.engine.interruption
    self.options = options
  }

  /// Informational messages of the comparison.
  var notes: [String] { told.withLock { $0 } }

  /// - Parameter path: Where the result is.
  /// - Throws: ``WrongResult`` if an element is not the merge's; what ``MergeCheck/run()`` throws.
  package func verify(_ path: String) throws {
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
public struct WrongResult: ReportableError {
  public let file: String?
  public let tensor: String?
  public let message: String
  public var errorClass: String { "verify" }
  public var category: ErrorCategory { .inputOutput }
  public var hint: String? { "the result was discarded; is the memory or the disk faulty?" }

  init(_ finding: Finding, count: Int, file: String?) {
    self.file = file
    tensor = finding.tensor?.string
    message = finding.message + (count == 1 ? "" : " (and \(NumberText.counted(count - 1, "more problem")))")
  }
}
