import Adapters

extension TensorUpdate {
  /// Why the change is no sum whose delta follows from the adapters alone; nil: it is one.
  package var reasonNotASum: String? {
    for step in steps {
      if let reason = Self.reason(step) { return reason }
    }
    return steps.count > 1 ? "several adapters change it one after the other" : nil
  }

  private static func reason(_ step: Step) -> String? {
    switch step {
    case .add(let addition):
      if addition.multipliesWeight { return "the adapter multiplies the weight by its delta" }
      if addition.allTerms.contains(where: { $0.formula.dependsOnWeight }) {
        return "the adapter's delta follows from the weight before the merge"
      }
      return addition.isPlain ? nil : "the adapter's delta is rounded before it is added"
    case .rescale: return "DoRA rescales the weight by norms of the weight before the merge"
    case .scale, .rotate, .mix, .mixBlocks: return "the adapter multiplies the weight"
    case .part: return "the adapter changes the weight by steps that do not only add"
    case .subtract: return "the merge first subtracts a part of the weight, as PiSSA, OLoRA and KaSA do"
    case .round: return "the merge rounds between its steps"
    case .replaceRows: return "the adapter replaces rows of it"
    }
  }
}

extension Formula {
  /// Whether it follows from values of the tensor that is changed.
  fileprivate var dependsOnWeight: Bool {
    switch self {
    case .derived, .image: true
    case .composed(let one, let other), .hadamard(let one, let other), .kronecker(let one, let other, _):
      one.dependsOnWeight || other.dependsOnWeight
    case .repeated(let formula, _, _), .stretched(let formula, _, _), .window(let formula, _): formula.dependsOnWeight
    case .matrix, .product, .tucker, .scattered, .bounded, .mixed, .circulant, .drawn, .chosen, .weighted, .spectral,
      .open:
      false
    }
  }
}
