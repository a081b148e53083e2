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
  }

  var outcome: Outcome {
    if findings > 0 { return .wrong }
    return merged > 0 && notChecked == merged ? .notChecked : .ok
  }

  /// `OK: 16 of 16 merged tensors match, 5 of 5 others match; largest error 0.500 ulp`.
  var text: String {
    var parts: [String] = []
    if outcome == .wrong { parts.append(NumberText.counted(findings, "finding")) }
    var tensors: [String] = []
    if merged > 0 {
      tensors.append("\(NumberText.grouped(matching)) of \(NumberText.grouped(merged)) merged tensors match")
    }
    if notChecked > 0 { tensors.append("\(NumberText.grouped(notChecked)) could not be checked") }
    if copied > 0 {
      let others = merged > 0 ? "others" : "copied tensors"
      tensors.append("\(NumberText.grouped(copiedMatching)) of \(NumberText.grouped(copied)) \(others) match")
    }
    parts.append(tensors.joined(separator: ", "))
    if let largestError { parts.append("largest error \(ReportNumbers.significant(largestError)) ulp") }
    let word =
      switch outcome {
      case .ok: "OK"
      case .wrong: "WRONG"
      case .notChecked: "NOT CHECKED"
      }
    return "\(word): \(parts.joined(separator: "; "))"
  }
}

extension MergeCheck.Verdict {
  fileprivate var isUnchecked: Bool { if case .notChecked = self { true } else { false } }
}
