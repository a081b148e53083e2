import MergeChecking
import MergeEngine
import Platform
import Reports

/// The outcome of a comparison with a merge, in numbers and in one sentence.
struct CheckVerdict {
  enum Outcome: String {
    case ok, wrong
    case notChecked = "not-checked"
  }

  /// The number of tensors that the merge changes, how many match, and how many could not be recomputed.
  let merged: Int
  let matching: Int
  let notChecked: Int
  /// The number of tensors that the merge copies, and how many of them the result has.
  let copied: Int
  let copiedMatching: Int
  /// The largest error of a recomputed tensor, in ulp; nil if no tensor was recomputed.
  let largestError: Double?
  /// The share of elements of merged tensors that are the exact result rounded once, in percent; rounded down, so that
  /// `100 %` is all of them. Nil if no tensor was recomputed.
  let correctlyRounded: String?
  let findings: Int

  init(_ report: MergeCheck.Report, findings: Int) {
    merged = report.mergedCount
    copied = report.copiedCount
    self.findings = findings
    let (changed, others) = (report.tensors.filter(\.isMerged), report.tensors.filter { !$0.isMerged })
    notChecked = changed.count(where: \.verdict.isUnchecked)
    matching = changed.count { !$0.verdict.isFinding && !$0.verdict.isUnchecked }
    copiedMatching = others.count { !$0.verdict.isFinding }
    largestError = changed.compactMap { $0.comparison?.worstError }.max()
    let comparisons = changed.compactMap(\.comparison)
    let elements = comparisons.reduce(0) { $0 + $1.elementCount }
    let misrounded = comparisons.reduce(0) { $0 + $1.otherwiseRounded }
    correctlyRounded = elements > 0 ? Self.percent(elements - misrounded, of: elements) : nil
  }

  /// With two decimals, rounded down: `99.99 %`.
  private static func percent(_ count: Int, of total: Int) -> String {
    if count == total { return "100 %" }
    let hundredths = Int(Double(count) / Double(total) * 10_000)
    return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) %"
  }

  var outcome: Outcome {
    if findings > 0 { return .wrong }
    return merged > 0 && notChecked == merged ? .notChecked : .ok
  }

  var word: String {
    switch outcome {
    case .ok: "OK"
    case .wrong: "WRONG"
    case .notChecked: "NOT CHECKED"
    }
  }

  /// `16 of 16 merged tensors match (max error 0.500 ulp, 100 % of elements correctly rounded), 5 of 5 copied tensors
  /// match`.
  var text: String {
    var tensors: [String] = []
    if merged > 0 {
      let errors = largestError.map { error in
        " (max error \(ReportNumbers.significant(error)) ulp"
          + (correctlyRounded.map { ", \($0) of elements correctly rounded)" } ?? ")")
      }
      tensors.append(
        "\(NumberText.grouped(matching)) of \(NumberText.grouped(merged)) merged tensors match\(errors ?? "")")
    }
    if notChecked > 0 { tensors.append("\(NumberText.grouped(notChecked)) could not be checked") }
    if copied > 0 {
      tensors.append("\(NumberText.grouped(copiedMatching)) of \(NumberText.grouped(copied)) copied tensors match")
    }
    let found = outcome == .wrong ? ["\(NumberText.counted(findings, "problem")) found"] : []
    return (found + [tensors.joined(separator: ", ")]).joined(separator: "; ")
  }
}

extension MergeCheck.Verdict {
  fileprivate var isUnchecked: Bool { if case .notChecked = self { true } else { false } }
}
