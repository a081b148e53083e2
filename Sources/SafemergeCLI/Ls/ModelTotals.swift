import Checkpoints
import MergeEngine
import MergePlanning
import Platform
import Reports
import Safetensors

/// What a model comes to, the same in every view of `ls`.
struct ModelTotals: Sendable {
  let tensors: Int
  /// Of a quantized weight those of the weight, not of its codes and scales.
  let parameters: Int
  /// Of all tensors as they are stored.
  let bytes: Int
  let quantizedWeights: Int
  /// Nil for a model that is no mixture of experts, or whose config.json does not say how many experts a token passes.
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

  /// Nil without parameters.
  var bitsPerWeight: Double? { Self.bitsPerWeight(bytes: bytes, parameters: parameters) }

  static func bitsPerWeight(bytes: Int, parameters: Int) -> Double? {
    parameters > 0 ? Double(bytes) * 8 / Double(parameters) : nil
  }

  /// What stands behind the sums of a list: bits per weight of a quantized model, active parameters of a mixture.
  var remarks: String {
    var remarks = ""
    if quantizedWeights > 0, let bits = bitsPerWeight { remarks += "; \(NumberText.short(bits)) bits per weight" }
    if let active { remarks += "; \(Self.text(active))" }
    return remarks
  }

  static func text(_ active: ActiveParameters) -> String {
    "\(NumberText.counted(active.count, "parameter")) active for a token "
      + "(\(NumberText.grouped(active.expertsPerToken)) of \(NumberText.counted(active.expertCount, "expert")))"
  }
}
