import Safetensors

/// Live tensors of what lies on disk in parts, or as a part of one.
extension MergePlanner {
  /// A live tensor from what is on disk.
  func assembled(
    _ name: TensorName, _ pieces: [RuntimeNames.Piece], experts: Int?
  ) -> Resolution? {
    func fail(_ problem: PlanError.Problem) -> Resolution { .failure(NameProblem(problem: problem)) }
    guard let first = pieces.first, let shape = shape(of: first.tensor) else { return nil }
    let steps = first.place.part?.steps
    guard let part = first.place.part, let steps else {
      guard pieces.count == 1 else {
        return fail(.ambiguousName(target: name.string, candidates: pieces.map(\.tensor.string)))
      }
      return .success(whole(first.tensor, name, shape, rule: first.place.rule))
    }
    guard pieces.allSatisfy({ $0.place.part?.steps == steps && $0.place.part?.sourceCount == part.sourceCount }) else {
      return fail(.ambiguousName(target: name.string, candidates: pieces.map(\.tensor.string)))
    }
    if let empty = pieces.first(where: { self.shape(of: $0.tensor)?.contains(0) ?? true }) {
      return fail(
        .partShape(target: name.string, tensor: empty.tensor.string, found: self.shape(of: empty.tensor) ?? []))
    }
    switch steps {
    case [.stack], [.stack, .join(1)]: return stacked(name, pieces, part.sourceCount, experts: experts)
    case [.divide]:
      return stacked(
        name, pieces, part.sourceCount, experts: experts, target: first.target, of: first.place.names.count)
    case [.interleave(shape.count - 2)], [.interleave(shape.count - 2), .chunk(shape.count - 2)]:
      return interleaved(name, pieces, shape, isChunked: steps.count == 2)
    case _ where part.isRotated: return rotated(name, pieces, shape, steps)
    case [.join(0)], [.join(1)]: return joined(name, pieces, part.sourceCount, dimension: steps == [.join(0)] ? 0 : 1)
    case [.chunk(0)], [.split(0)]:
      guard pieces.count == 1 else {
        return fail(.ambiguousName(target: name.string, candidates: pieces.map(\.tensor.string)))
      }
      let count = first.place.names.count
      let offset: (row: Int, count: Int)?
      if steps == [.chunk(0)] {
        let height = (shape.first ?? 0) / count
        offset = height * count == shape.first ? (first.target * height, height) : nil
      } else {
        offset = sizes(first.place.names, total: shape.first ?? 0).map { Self.place(first.target, of: $0) }
      }
      guard let offset else {
        return fail(.unknownSlice(target: first.tensor.string, rule: first.place.rule))
      }
      return .success(
        TensorPlacement(
          name: name, shape: [offset.count] + shape.dropFirst(),
          parts: [
            TensorPlacement.Part(
              tensor: first.tensor, runtimeRows: 0..<offset.count, row: offset.row, isTransposed: false)
          ], rule: first.place.rule, whole: nil))
    case [.transpose(0, 1)], [.transpose(1, 2)]:
      // The square ones look the same both ways, and transformers takes them as they are.
      guard pieces.count == 1, shape.count >= 2 else { return nil }
      let (d1, d2) = (shape[shape.count - 2], shape[shape.count - 1])
      let stack = shape.dropLast(2).reduce(1, *)
      return .success(
        TensorPlacement(
          name: name, shape: Array(shape.dropLast(2)) + [d2, d1],
          parts: (0..<stack).map {
            TensorPlacement.Part(
              tensor: first.tensor, runtimeRows: $0 * d2..<($0 + 1) * d2, row: $0 * d1, isTransposed: true)
          }, rule: first.place.rule, whole: nil))
    default:
      return fail(.unsupportedConversion(target: name.string, tensor: first.tensor.string, rule: first.place.rule))
    }
  }

  /// Experts that lie one by one, or a source each.
  ///
  /// - Parameters:
  ///   - target: Which of several live stacks it is, among which the experts are divided in their order.
  private func stacked(
    _ name: TensorName, _ pieces: [RuntimeNames.Piece], _ sources: Int, experts: Int?, target: Int = 0,
    of targets: Int = 1
  ) -> Resolution {
    var byNumber: [Int: [Int: TensorName]] = [:]
    for piece in pieces {
      guard let part = piece.place.part, let number = part.number else { continue }
      if let other = byNumber[part.source]?[number] {
        return .failure(
          NameProblem(
            problem: .ambiguousName(target: name.string, candidates: [other.string, piece.tensor.string])))
      }
      byNumber[part.source, default: [:]][number] = piece.tensor
    }
    let all = max((byNumber.values.compactMap { $0.keys.max() }.max() ?? -1) + 1, (experts ?? 0) * targets)
    let share = all / targets + (all % targets == 0 ? 0 : 1)
    let numbers = min(target * share, all)..<min((target + 1) * share, all)
    var parts: [TensorPlacement.Part] = []
    var row = 0
    var columns: Int?
    var height: Int?
    for expert in numbers {
      let start = row
      for source in 0..<sources {
        guard let tensor = byNumber[source]?[expert], let shape = shape(of: tensor) else {
          let sibling = byNumber[source]?.values.min() ?? pieces.map(\.tensor).min()
          return .failure(
            NameProblem(
              problem: .missingPart(target: name.string, expert: expert, like: sibling?.string ?? name.string)))
        }
        guard shape.count == 2, shape[1] == columns ?? shape[1] else {
          return .failure(
            NameProblem(problem: .partShape(target: name.string, tensor: tensor.string, found: shape)))
        }
        columns = shape[1]
        parts.append(
          TensorPlacement.Part(tensor: tensor, runtimeRows: row..<row + shape[0], row: 0, isTransposed: false))
        row += shape[0]
      }
      guard row - start == height ?? (row - start) else {
        return .failure(
          NameProblem(
            problem: .partShape(
              target: name.string, tensor: parts[parts.count - 1].tensor.string, found: [row - start, columns ?? 0])))
      }
      height = row - start
    }
    return .success(
      TensorPlacement(
        name: name, shape: [numbers.count, height ?? 0, columns ?? 0], parts: parts, rule: pieces.first?.place.rule,
        whole: nil))
  }

  /// Tensors on disk that are one in the live model: one behind the other along their rows, or expert by expert.
  private func joined(
    _ name: TensorName, _ pieces: [RuntimeNames.Piece], _ sources: Int, dimension: Int
  ) -> Resolution {
    var ordered: [(tensor: TensorName, shape: [Int])] = []
    for source in 0..<sources {
      let found = pieces.filter { $0.place.part?.source == source }
      guard let tensor = found.first?.tensor, let shape = shape(of: tensor) else {
        return .failure(
          NameProblem(
            problem: .missingPart(target: name.string, expert: nil, like: pieces[0].tensor.string)))
      }
      guard found.count == 1 else {
        return .failure(
          NameProblem(problem: .ambiguousName(target: name.string, candidates: found.map(\.tensor.string))))
      }
      let first = ordered.first?.shape ?? shape
      guard shape.count == first.count, shape.count > dimension,
        shape.dropFirst(dimension + 1) == first.dropFirst(dimension + 1),
        shape.prefix(dimension) == first.prefix(dimension)
      else {
        return .failure(NameProblem(problem: .partShape(target: name.string, tensor: tensor.string, found: shape)))
      }
      ordered.append((tensor, shape))
    }
    guard let first = ordered.first?.shape else {
      return .failure(NameProblem(problem: .missingPart(target: name.string, expert: nil, like: name.string)))
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
        parts.append(
          TensorPlacement.Part(tensor: tensor, runtimeRows: row..<row + count, row: block * count, isTransposed: false))
        row += count
      }
    }
    return .success(
      TensorPlacement(name: name, shape: shape, parts: parts, rule: pieces.first?.place.rule, whole: nil))
  }
}
