import Safetensors

/// Stacks of experts that are on disk one by one, each as one tensor or as several.
struct StackStep {
  let base: BaseView

  /// Finds the experts of a runtime stack.
  ///
  /// - Parameters:
  ///   - sources: How many tensors make an expert.
  ///   - experts: How many the adapter has.
  ///   - target: Which of several runtime stacks it is, among which the experts are divided in their order.
  func find(
    _ name: TensorName, _ pieces: [RuntimeNames.Piece], sources: Int, experts: Int?, target: Int = 0,
    of targets: Int = 1
  ) -> Resolution {
    var byNumber: [Int: [Int: TensorName]] = [:]
    for piece in pieces {
      guard let part = piece.place.part, let number = part.number else { continue }
      if let other = byNumber[part.source]?[number] {
        return .failure(.ambiguousName(target: name.string, candidates: [other.string, piece.tensor.string]))
      }
      byNumber[part.source, default: [:]][number] = piece.tensor
    }
    let all = max((byNumber.values.compactMap { $0.keys.max() }.max() ?? -1) + 1, (experts ?? 0) * targets)
    let share = all / targets + (all % targets == 0 ? 0 : 1)
    let numbers = min(target * share, all)..<min((target + 1) * share, all)
    var stack = ExpertRows()
    for expert in numbers {
      for source in 0..<sources {
        guard let tensor = byNumber[source]?[expert], let shape = base.shape(of: tensor) else {
          let sibling = byNumber[source]?.values.min() ?? pieces.map(\.tensor).min()
          return .failure(
            .missingPart(target: name.string, expert: expert, like: sibling?.string ?? name.string))
        }
        guard stack.append(tensor, shape) else {
          return .failure(.partShape(target: name.string, tensor: tensor.string, found: shape))
        }
      }
      if let found = stack.endExpert() {
        return .failure(.partShape(target: name.string, tensor: stack.last, found: [found, stack.columns ?? 0]))
      }
    }
    return .success(stack.placement(name, experts: numbers.count, rule: pieces.first?.place.rule))
  }
}
