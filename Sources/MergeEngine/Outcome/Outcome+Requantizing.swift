import Platform
import Safetensors

extension TensorStatistics {
  /// Whether nothing is left of the change of a weight that was made codes again: it is below half a step of every code, or
  /// no code changed.
  public var changeVanishes: Bool {
    guard let codes, intendedSquares > 0 else { return false }
    return codes.halfStepCount == 0 || codes.changedCount == 0
  }
}

extension MergeEngine.Outcome {
  /// Of every weight that was made codes again, in the order of the output.
  public var requantized: [TensorStatistics] { statistics.filter { $0.codes != nil } }

  /// What a person should know of weights that were made codes again: of which the change is lost, and of which the error
  /// is a large part of it.
  public var requantizingWarnings: [String] {
    let tensors = requantized
    var warnings: [String] = []
    let lost = tensors.filter(\.changeVanishes)
    if !lost.isEmpty {
      let names = lost.prefix(Self.namedCount).compactMap { $0.name?.string }.joined(separator: ", ")
      let others = lost.count - min(lost.count, Self.namedCount)
      warnings.append(
        "\(lost.count) of \(tensors.count) weights that are made codes again lose their change whole, because it is below "
          + "half a step everywhere or changes no code: \(names)" + (others > 0 ? " and \(others) more" : "")
          + "; in 16 bits, without --requantize, it is kept")
    }
    let drowned = tensors.filter { !$0.changeVanishes }.compactMap { tensor in
      tensor.loss.map { (name: tensor.name?.string ?? "", error: $0) }
    }.filter { $0.error > Self.largeError }
    if let worst = drowned.max(by: { $0.error < $1.error }) {
      warnings.append(
        "in \(drowned.count) of \(tensors.count) weights that are made codes again the error is more than half of "
          + "the change (most: \(worst.name), \(ReportNumbers.percent(worst.error)))")
    }
    return warnings
  }

  /// An error of this share of the change deserves a warning.
  private static let largeError = 0.5
  /// Names in a warning; the report has all.
  private static let namedCount = 8
}
