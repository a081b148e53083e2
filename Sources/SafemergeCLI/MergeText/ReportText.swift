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

  var lines: [String] {
    let totals = report.totals
    var lines = [
      "changed  \(NumberText.grouped(report.tensors.count)) tensors, \(percent(totals.changedShare)) of "
        + "\(NumberText.grouped(totals.elementCount)) elements; the change has \(number(totals.ratio)) of the base's norm; "
        + "rounding lost \(percent(totals.loss)) of it"
    ]
    let losses = ranked { $0.loss }.prefix(Self.shownCount)
    lines += losses.map { "lost     \(percent($0.value)) of the change in \($0.name)" }
    lines += ranked { $0.ratio }.prefix(1).map { "largest  \(number($0.value)) of the base's norm in \($0.name)" }
    lines += report.advice.map { "advice   \($0)" }
    return lines.map(\.escapingUnprintable)
  }

  /// The tensors with a nonzero value, largest first; equal ones in the order of the output.
  private func ranked(_ number: (TensorStatistics) -> Double?) -> [(name: String, value: Double)] {
    let found = report.tensors.enumerated().compactMap { place, tensor in
      number(tensor.statistics).map { (place: place, name: tensor.name.string, value: $0) }
    }
    return found.filter { $0.value > 0 }.sorted { ($1.value, $0.place) < ($0.value, $1.place) }
      .map { ($0.name, $0.value) }
  }

  private func percent(_ share: Double?) -> String { share.map(ReportNumbers.percent) ?? "-" }
  private func number(_ value: Double?) -> String { value.map(ReportNumbers.significant) ?? "-" }
}
