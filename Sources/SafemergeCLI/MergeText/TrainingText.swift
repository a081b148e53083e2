import MergeEngine
import Platform
import Reports
import Safetensors

/// The effect of quantization in training on the merged weights, in one line.
struct TrainingText {
  let line: String

  /// - Parameter tensors: At least one.
  init(_ tensors: [TensorStatistics]) {
    let sum = TensorStatistics(sumOf: tensors)
    var line = LabeledLine.text(
      "qlora",
      "quantizing changed the merged weights by \(sum.trainingRatio.map(ReportNumbers.percent) ?? "-") of the norm of "
        + "the delta")
    let ratios = tensors.compactMap { tensor in
      tensor.trainingRatio.map { (name: tensor.name?.string ?? "", ratio: $0) }
    }
    if let worst = ratios.max(by: { $0.ratio < $1.ratio }) {
      line += " (most: \(worst.name), \(ReportNumbers.percent(worst.ratio)))"
    }
    self.line = line
  }
}
