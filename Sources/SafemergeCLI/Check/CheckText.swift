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
  private let screen: Screen

  init(_ result: CheckResult, quiet: Bool, verbose: Bool, screen: Screen = .plain) {
    self.result = result
    self.quiet = quiet
    self.verbose = verbose
    self.screen = screen
  }

  func write(to output: inout StandardOutput) throws {
    if let merge = result.merge, !quiet { try writeTable(merge, to: &output) }
    for finding in result.findings {
      try write("\(finding.description) [\(finding.findingClass)]", to: &output)
    }
    if quiet { return }
    for note in result.notes { try write("note: \(note)", to: &output) }
    let (word, rest) = summary
    let lines = screen.wrapped("\(word): \(rest.escapingUnprintable)")
    let marked = screen.style.text(word, isGood ? .good : .error) + lines[0].dropFirst(word.count)
    try output.write(([marked] + lines.dropFirst()).joined(separator: "\n") + "\n")
  }

  private func write(_ line: String, to output: inout StandardOutput) throws {
    for line in screen.wrapped(line.escapingUnprintable) { try output.write(line + "\n") }
  }

  private func writeTable(_ merge: MergeCheck.Report, to output: inout StandardOutput) throws {
    let shown = merge.tensors.filter { verbose || $0.isMerged || $0.verdict != .same }
      .sorted { NaturalOrder.precedes($0.name.string, $1.name.string) }
    guard !shown.isEmpty else { return }
    var table = TextTable(
      [.name("TENSOR"), .left("DTYPE"), .right("MAX ERROR"), .sentence("VERDICT")], rowCount: shown.count,
      style: screen.style)
    for tensor in shown {
      table.add(tensor.name.string)
      table.add(tensor.dtype.name)
      table.add(tensor.comparison.map { ReportNumbers.significant($0.worstError) + " ulp" } ?? "-")
      table.add(Self.text(tensor.verdict), emphasis: Self.emphasis(tensor.verdict))
    }
    try table.write(to: &output, width: screen.width)
  }

  static func text(_ verdict: MergeCheck.Verdict) -> String {
    switch verdict {
    case .same: "OK: same bytes"
    case .exact: "OK: exact"
    case .rounded: "OK: within rounding error"
    case .roundedByPEFT(let how): "OK: rounded more than once, \(how)"
    case .roundedSeveralTimes: "OK: rounded more than once"
    case .fault(let fault): "WRONG: \(fault.message)"
    case .damaged(let count): "WRONG: \(NumberText.counted(count, "damaged element"))"
    case .different: "WRONG: not this merge"
    case .notChecked(let why): "not checked: \(why)"
    }
  }

  private static func emphasis(_ verdict: MergeCheck.Verdict) -> TextStyle.Emphasis {
    if case .notChecked = verdict { return .warning }
    return verdict.isFinding ? .error : .good
  }

  private var isGood: Bool { result.findings.isEmpty && summary.word == "OK" }

  /// The verdict on the whole, and what it is about.
  private var summary: (word: String, rest: String) {
    let inspection = result.inspection
    let tensors = inspection.files.reduce(0) { $0 + $1.header.tensors.count }
    let size = "\(NumberText.counted(inspection.files.count, "file")), \(NumberText.counted(tensors, "tensor"))"
    guard let merge = result.merge else {
      let count = result.findings.count
      let found = count == 0 ? "no problems found" : "\(NumberText.counted(count, "problem")) found"
      return (count == 0 ? "OK" : "WRONG", "\(found) in \(inspection.path) (\(size))")
    }
    let verdict = CheckVerdict(merge, findings: result.findings.count)
    return (verdict.word, "\(verdict.text) (\(inspection.path): \(size))")
  }
}
