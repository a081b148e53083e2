import Adapters
import Inspection
import MergeEngine
import MergePlanning
import Platform
import Safetensors

/// An adapter with elements that are infinite or NaN, which made elements of the output so.
struct DamagedAdapter: ReportableError {
  let file: String?
  let tensor: String?
  let message: String
  let hint: String?
  var errorClass: String { "nonfinite" }
  var category: ErrorCategory { .refusedInput }

  /// Looks for the adapter behind an error about infinite or NaN elements; nil if the adapters are finite.
  init?(_ error: any ReportableError, _ adapters: [AdapterUse], workers: Int) {
    let cause = (error as? UnfinishedMerge)?.cause ?? error
    guard let error = cause as? MergeError, case .nonFinite = error.problem else { return nil }
    var options = ModelInspection.Options(workers: workers)
    options.readsData = true
    for adapter in adapters.map(\.adapter) {
      let findings = (try? ModelInspection(path: adapter.path, options: options))?.findings ?? []
      guard let finding = findings.first(where: { $0.findingClass == "nonfinite" }) else { continue }
      file = finding.file
      tensor = finding.tensor?.string
      message =
        "\(finding.message), so \(error.tensorName.map { "\($0)" } ?? "a tensor") of the output would have such elements too"
      hint = "the adapter is damaged; inspect it with: safemerge ls \(adapter.path) --stats"
      return
    }
    return nil
  }
}
