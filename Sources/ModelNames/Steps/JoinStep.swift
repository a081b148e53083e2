import Safetensors

/// Tensors on disk that are one in the runtime model.
struct JoinStep {
  let base: BaseView

  /// Finds the tensors of a runtime tensor that lie one behind the other along its rows, or expert by expert.
  ///
  /// - Parameter sources: How many they are.
  func find(_ name: TensorName, _ pieces: [RuntimeNames.Piece], sources: Int, dimension: Int) -> Resolution {
    var ordered: [(tensor: TensorName, shape: [Int])] = []
    for source in 0..<sources {
      let found = pieces.filter { $0.place.part?.source == source }
      guard let tensor = found.first?.tensor, let shape = base.shape(of: tensor) else {
        return .failure(.missingPart(target: name.string, expert: nil, like: pieces[0].tensor.string))
      }
      guard found.count == 1 else {
        return .failure(.ambiguousName(target: name.string, candidates: found.map(\.tensor.string)))
      }
      let first = ordered.first?.shape ?? shape
      guard shape.count == first.count, shape.count > dimension,
        shape.dropFirst(dimension + 1) == first.dropFirst(dimension + 1),
        shape.prefix(dimension) == first.prefix(dimension)
      else { return .failure(.partShape(target: name.string, tensor: tensor.string, found: shape)) }
      ordered.append((tensor, shape))
    }
    guard let first = ordered.first?.shape else {
      return .failure(.missingPart(target: name.string, expert: nil, like: name.string))
    }
    var shape = first
    shape[dimension] = ordered.reduce(0) { $0 + $1.shape[dimension] }
    // Rows of the matrix that one step along the dimension is.
    let inner = first.dropFirst(dimension + 1).dropLast().reduce(1, *)
    var parts: [TensorPlacement.Part] = []
    var row = 0
    for block in 0..<first.prefix(dimension).reduce(1, *) {
      for (tensor, shape) in ordered {
        let count = first.count == 1 ? shape[0] : shape[dimension] * inner
        parts.append(TensorPlacement.Part(tensor, runtimeRows: row..<row + count, row: block * count))
        row += count
      }
    }
    return .success(TensorPlacement(name: name, shape: shape, parts: parts, rule: pieces.first?.place.rule))
  }

  /// Finds a tensor of an older layout, which the base has as several; nil: it has none of them.
  func find(_ name: TensorName, among targets: [TensorName], _ part: ConversionRules.Part, rule: String) -> Resolution?
  {
    let found = targets.compactMap { target in base.shape(of: target).map { (target, $0) } }
    guard !found.isEmpty else { return nil }
    guard part.steps == [.chunk(0)] || part.steps == [.split(0)] else {
      return .failure(.unsupportedConversion(target: name.string, tensor: found[0].0.string, rule: rule))
    }
    if found.count < targets.count, let missing = targets.first(where: { base.shape(of: $0) == nil }) {
      return .failure(.missingPart(target: name.string, expert: nil, like: missing.string))
    }
    return Self.concatenated(name, found, rule: rule)
  }

  /// Whole tensors one behind the other along their rows.
  static func concatenated(_ name: TensorName, _ tensors: [(TensorName, [Int])], rule: String) -> Resolution {
    var parts: [TensorPlacement.Part] = []
    var row = 0
    for (tensor, shape) in tensors {
      guard shape.dropFirst() == tensors[0].1.dropFirst(), !shape.contains(0), let count = shape.first else {
        return .failure(.partShape(target: name.string, tensor: tensor.string, found: shape))
      }
      parts.append(TensorPlacement.Part(tensor, runtimeRows: row..<row + count, row: 0))
      row += count
    }
    return .success(
      TensorPlacement(name: name, shape: [row] + tensors[0].1.dropFirst(), parts: parts, rule: rule))
  }
}
