import Safetensors

/// Names of an adapter that are a part of a tensor of the base, or several of its tensors.
extension MergePlanner {
  /// A part of a live tensor, for an adapter that has names of the parts.
  func slice(
    of target: TensorName, _ shape: [Int], for name: TensorName, _ part: ConversionRules.Part, rows: Int?, rule: String
  ) -> Resolution {
    func fail(_ problem: PlanError.Problem) -> Resolution { .failure(NameProblem(problem: problem)) }
    func found(_ row: Int, _ count: Int) -> Resolution {
      .success(
        TensorPlacement(
          name: name, shape: [count, shape[shape.count - 1]],
          parts: [TensorPlacement.Part(tensor: target, runtimeRows: 0..<count, row: row, isTransposed: false)],
          rule: rule,
          whole: nil))
    }
    if shape.contains(0) { return fail(.unknownSlice(target: target.string, rule: rule)) }
    switch part.steps {
    case [.stack], [.stack, .join(1)]:
      guard let number = part.number, shape.count == 3, shape[1] % part.sourceCount == 0 else {
        return fail(.unknownSlice(target: target.string, rule: rule))
      }
      guard number < shape[0] else {
        return fail(.missingPart(target: target.string, expert: number, like: name.string))
      }
      let height = shape[1] / part.sourceCount
      return found(number * shape[1] + part.source * height, height)
    case [.join(0)]:
      guard shape.count == 2, let rows, rows * part.sourceCount == shape[0] else {
        return fail(.unknownSlice(target: target.string, rule: rule))
      }
      return found(part.source * rows, rows)
    default: return fail(.unsupportedConversion(target: name.string, tensor: target.string, rule: rule))
    }
  }

  /// A tensor that is several in the base.
  func joined(
    _ name: TensorName, _ targets: [TensorName], _ part: ConversionRules.Part, rule: String
  ) -> Resolution? {
    let found = targets.compactMap { target in shape(of: target).map { (target, $0) } }
    guard !found.isEmpty else { return nil }
    guard part.steps == [.chunk(0)] || part.steps == [.split(0)] else {
      return .failure(
        NameProblem(problem: .unsupportedConversion(target: name.string, tensor: found[0].0.string, rule: rule)))
    }
    if found.count < targets.count, let missing = targets.first(where: { shape(of: $0) == nil }) {
      return .failure(NameProblem(problem: .missingPart(target: name.string, expert: nil, like: missing.string)))
    }
    return concatenated(name, found, rule: rule)
  }

  func concatenated(
    _ name: TensorName, _ tensors: [(TensorName, [Int])], rule: String
  ) -> Resolution {
    var parts: [TensorPlacement.Part] = []
    var row = 0
    for (tensor, shape) in tensors {
      guard shape.dropFirst() == tensors[0].1.dropFirst(), !shape.contains(0), let count = shape.first else {
        return .failure(NameProblem(problem: .partShape(target: name.string, tensor: tensor.string, found: shape)))
      }
      parts.append(TensorPlacement.Part(tensor: tensor, runtimeRows: row..<row + count, row: 0, isTransposed: false))
      row += count
    }
    return .success(
      TensorPlacement(name: name, shape: [row] + tensors[0].1.dropFirst(), parts: parts, rule: rule, whole: nil))
  }
}
