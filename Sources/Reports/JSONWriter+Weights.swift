import JSONText
import MergePlanning

extension JSONWriter {
  /// Writes the weights of parts of a model, where an adapter has some.
  package mutating func member(partWeights weights: AdapterWeight) {
    guard !weights.parts.isEmpty else { return }
    list("part_weights", weights.parts) { part, writer in
      writer.member("part", part.name)
      writer.member("weight", part.weight)
    }
  }
}
