import MergePlanning
import Platform
import Safetensors

extension TensorStatistics {
  /// Whether nothing is left of the change of a requantized weight: it is below half a step of every code, or no code changed.
  public var changeVanishes: Bool {
    guard let codes, intendedSquares > 0 else { return false }
    return codes.halfStepCount == 0 || codes.changedCount == 0
  }
}

extension MergeEngine.Outcome {
  /// Of every requantized weight, in the order of the output.
  public var requantized: [TensorStatistics] { statistics.filter { $0.codes != nil } }

  /// Warnings about requantized weights that lose their delta, or whose rounding error is a large part of it.
  ///
  /// - Parameter plan: The plan that was carried out, which decides what would keep the delta.
  public func requantizingWarnings(_ plan: MergePlan) -> [String] {
    let advice =
      plan.quantization?.isToldByFiles ?? false
      ? "--dtype bf16 decodes the whole file, which keeps it"
      : "without --requantize they are written in 16 bits and keep it"
    let tensors = requantized
    var warnings: [String] = []
    let lost = tensors.filter(\.changeVanishes)
    if !lost.isEmpty {
      let names = lost.prefix(Self.namedCount).compactMap { $0.name?.string }.joined(separator: ", ")
      let others = lost.count - min(lost.count, Self.namedCount)
      warnings.append(
        "\(lost.count) of \(tensors.count) requantized weights lose their whole delta, which is below half a "
          + "quantization step everywhere or changes no value: \(names)" + (others > 0 ? " and \(others) more" : "")
          + "; \(advice)")
    }
    let drowned = tensors.filter { !$0.changeVanishes }.compactMap { tensor in
      tensor.loss.map { (name: tensor.name?.string ?? "", error: $0) }
    }.filter { $0.error > Self.largeError }
    if let worst = drowned.max(by: { $0.error < $1.error }) {
      warnings.append(
        "in \(drowned.count) of \(tensors.count) requantized weights the rounding error is more than half of the delta "
          + "(most: \(worst.name), \(ReportNumbers.percent(worst.error)))")
    }
    return warnings
  }

  /// An error of this share of the delta deserves a warning.
  private static let largeError = 0.5
  /// Names in a warning; the report has all.
  private static let namedCount = 8
}
