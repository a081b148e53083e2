import JSONText
import MergeEngine
import Platform
import Reports
import Safetensors

/// The outcome of requantization in one line.
struct RequantizedText {
  let line: String

  /// - Parameter tensors: At least one.
  init(_ tensors: [TensorStatistics]) {
    let sum = TensorStatistics(sumOf: tensors)
    let changed = tensors.reduce(0) { $0 + ($1.codes?.changedCount ?? 0) }
    let share = sum.elementCount > 0 ? Double(changed) / Double(sum.elementCount) : 0
    var line = LabeledLine.text(
      "requant",
      "\(NumberText.counted(tensors.count, "weight")) requantized: \(ReportNumbers.percent(share)) of "
        + "\(tensors.count == 1 ? "its" : "their") values changed")
    if let error = sum.loss { line += "; rounding error \(ReportNumbers.percent(error)) of the delta" }
    let errors = tensors.compactMap { tensor in tensor.loss.map { (name: tensor.name?.string ?? "", error: $0) } }
    if let worst = errors.max(by: { $0.error < $1.error }) {
      line += " (most: \(worst.name), \(ReportNumbers.percent(worst.error)))"
    }
    self.line = line
  }
}
