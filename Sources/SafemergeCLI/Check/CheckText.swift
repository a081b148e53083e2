import Inspection
import JSONText
import MergeChecking
import MergeEngine
import Platform
import Reports
import Safetensors

/// The findings of `check` as text.
struct CheckText {
  private let result: CheckResult
  private let quiet: Bool
  private let verbose: Bool

  init(_ result: CheckResult, quiet: Bool, verbose: Bool) {
    self.result = result
    self.quiet = quiet
    self.verbose = verbose
  }

  func write(to output: inout StandardOutput) throws {
    if let merge = result.merge, !quiet { try writeTable(merge, to: &output) }
    for finding in result.findings {
      try output.write("\(finding.description) [\(finding.findingClass)]".escapingUnprintable + "\n")
    }
    if quiet { return }
    for note in result.notes { try output.write("note: \(note)".escapingUnprintable + "\n") }
    try output.write(summary.escapingUnprintable + "\n")
  }

  private func writeTable(_ merge: MergeCheck.Report, to output: inout StandardOutput) throws {
    let shown = merge.tensors.filter { verbose || $0.isMerged || $0.verdict != .same }
    guard !shown.isEmpty else { return }
    var table = TextTable(
      header: ["TENSOR", "DTYPE", "MAX ERROR", "VERDICT"],
      alignments: [.left, .left, .right, .left], rowCount: shown.count)
    for tensor in shown {
      table.add(tensor.name.string)
      table.add(tensor.dtype.name)
      table.add(tensor.comparison.map { ReportNumbers.significant($0.worstError) + " ulp" } ?? "-")
      table.add(Self.text(tensor.verdict))
    }
    try table.write(to: &output)
  }

  static func text(_ verdict: MergeCheck.Verdict) -> String {
    switch verdict {
    case .same: "OK: same bytes"
    case .exact: "OK: exact"
    case .rounded: "OK: rounded in another order"
    case .roundedByPEFT(let how): "OK: rounded more than once, \(how)"
    case .roundedSeveralTimes: "OK: rounded more than once"
    case .fault(let fault): "WRONG: \(fault.message)"
    case .damaged(let count): "WRONG: \(NumberText.counted(count, "element")) damaged"
    case .different: "WRONG: not this merge"
    case .notChecked(let why): "not checked: \(why)"
    }
  }

  private var summary: String {
    let inspection = result.inspection
    let tensors = inspection.files.reduce(0) { $0 + $1.header.tensors.count }
    let size = "\(NumberText.counted(inspection.files.count, "file")), \(NumberText.counted(tensors, "tensor"))"
    guard let merge = result.merge else {
      let count = result.findings.count
      return "\(inspection.path): \(size); " + (count == 0 ? "nothing found" : NumberText.counted(count, "finding"))
    }
    return "\(CheckVerdict(merge, findings: result.findings.count).text) (\(inspection.path): \(size))"
  }
}
