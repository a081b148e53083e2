import Checkpoints
import MergeEngine
import MergePlanning
import Platform
import Reports
import Safetensors

/// Totals of a model, the same in every view of `ls`.
struct ModelTotals: Sendable {
  let tensors: Int
  /// For a quantized weight its parameters, not its codes and scales.
  let parameters: Int
  /// The size of all tensors as stored.
  let bytes: Int
  let quantizedWeights: Int
  /// Nil if the model is not a mixture of experts, or config.json does not say how many experts a token uses.
  let active: ActiveParameters?

  init(_ listing: Listing, _ weights: StoredWeights) {
    var sums = (tensors: 0, parameters: 0, bytes: 0)
    for (number, file) in listing.files.enumerated() {
      let tensors = file.header.tensors
      for index in tensors.indices {
        let elements = tensors.dimensions(at: index).reduce(1) { $0 &* Int(truncatingIfNeeded: $1) }
        sums.tensors += 1
        sums.parameters += weights.parameterCount(file: number, index: index, elementCount: elements)
        sums.bytes += tensors.dataOffsets(at: index).count
      }
    }
    (tensors, parameters, bytes) = sums
    quantizedWeights = weights.weights.count
    active = listing.model.flatMap { ActiveParameters($0, weights) }
  }

  /// Nil if there are no parameters.
  var bitsPerWeight: Double? { Self.bitsPerWeight(bytes: bytes, parameters: parameters) }

  static func bitsPerWeight(bytes: Int, parameters: Int) -> Double? {
    parameters > 0 ? Double(bytes) * 8 / Double(parameters) : nil
  }

  /// The text after the totals of a list: bits per weight of a quantized model, active parameters of a mixture of
  /// experts.
  var remarks: String {
    var remarks = ""
    if quantizedWeights > 0, let bits = bitsPerWeight { remarks += "; \(NumberText.short(bits)) bits per weight" }
    if let active { remarks += "; \(Self.text(active))" }
    return remarks
  }

  static func text(_ active: ActiveParameters) -> String {
    "\(NumberText.counted(active.count, "active parameter")) per token "
      + "(\(NumberText.grouped(active.expertsPerToken)) of \(NumberText.counted(active.expertCount, "expert")))"
  }
}
