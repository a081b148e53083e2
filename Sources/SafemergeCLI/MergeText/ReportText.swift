import JSONText
import MergeEngine
import Platform
import Reports
import Safetensors

/// A summary of a report in a few lines.
struct ReportText {
  /// The number of tensors shown with the largest loss.
  private static let shownCount = 5

  let report: MergeReport
  /// The file that has it.
  let path: String

  var lines: [String] {
    let totals = report.totals
    var lines = [
      LabeledLine.text(
        "changed",
        "\(NumberText.counted(report.tensors.count, "tensor")), \(percent(totals.changedShare)) of "
          + "\(NumberText.grouped(totals.elementCount)) elements; relative change ‖ΔW‖/‖W‖ \(percent(totals.ratio)); "
          + "\(percent(totals.loss)) of it lost to rounding")
    ]
    let losses = ranked { $0.loss }.prefix(Self.shownCount)
    lines += losses.map { LabeledLine.text("lost", "\(percent($0.value)) of the delta in \($0.name)") }
    lines += ranked { $0.ratio }.prefix(1).map {
      LabeledLine.text("largest", "relative change \(percent($0.value)) in \($0.name)")
    }
    lines += report.advice.map { LabeledLine.text("advice", $0) }
    lines.append(LabeledLine.text("report", path))
    return lines.map(\.escapingUnprintable)
  }

  /// The tensors with a nonzero value, largest first; equal ones in natural order of their names.
  private func ranked(_ number: (TensorStatistics) -> Double?) -> [(name: String, value: Double)] {
    let found = report.tensors.compactMap { tensor in
      number(tensor.statistics).map { (name: tensor.name.string, value: $0) }
    }
    return found.filter { $0.value > 0 }.sorted { one, other in
      one.value == other.value ? NaturalOrder.precedes(one.name, other.name) : one.value > other.value
    }
  }

  private func percent(_ share: Double?) -> String { share.map(ReportNumbers.percent) ?? "-" }
}
