import Safetensors

/// A runtime tensor from what is on disk, by the one conversion that makes it.
struct Assembly {
  let base: BaseView

  /// Finds the place of a runtime tensor; nil: the conversion says nothing of it.
  ///
  /// - Parameter pieces: All tensors on disk that make it up.
  func find(_ name: TensorName, _ pieces: [RuntimeNames.Piece], experts: Int?) -> Resolution? {
    guard let first = pieces.first, let shape = base.shape(of: first.tensor) else { return nil }
    func ambiguous() -> Resolution {
      .failure(.ambiguousName(target: name.string, candidates: pieces.map(\.tensor.string)))
    }
    guard let part = first.place.part else {
      guard pieces.count == 1 else { return ambiguous() }
      return .success(TensorPlacement(whole: first.tensor, as: name, shape: shape, rule: first.place.rule))
    }
    let steps = part.steps
    guard pieces.allSatisfy({ $0.place.part?.steps == steps && $0.place.part?.sourceCount == part.sourceCount }) else {
      return ambiguous()
    }
    if let empty = pieces.first(where: { base.shape(of: $0.tensor)?.contains(0) ?? true }) {
      return .failure(
        .partShape(target: name.string, tensor: empty.tensor.string, found: base.shape(of: empty.tensor) ?? []))
    }
    switch steps {
    case [.stack], [.stack, .join(1)]:
      return StackStep(base: base).find(name, pieces, sources: part.sourceCount, experts: experts)
    case [.divide]:
      return StackStep(base: base).find(
        name, pieces, sources: part.sourceCount, experts: experts, target: first.target, of: first.place.names.count)
    case [.interleave(shape.count - 2)], [.interleave(shape.count - 2), .chunk(shape.count - 2)]:
      return InterleaveStep.find(name, pieces, shape, isChunked: steps.count == 2)
    case _ where part.isRotated:
      return RopeStep(config: base.config).find(name, pieces, shape, steps)
    case [.join(0)], [.join(1)]:
      return JoinStep(base: base).find(
        name, pieces, sources: part.sourceCount, dimension: steps == [.join(0)] ? 0 : 1)
    case [.chunk(0)], [.split(0)]:
      guard pieces.count == 1 else { return ambiguous() }
      return cut(name, first, shape, isEqual: steps == [.chunk(0)])
    case [.transpose(0, 1)], [.transpose(1, 2)]:
      // The square ones look the same both ways, and transformers takes them as they are.
      guard pieces.count == 1, shape.count >= 2 else { return nil }
      return .success(transposed(name, first, shape))
    default:
      return .failure(
        .unsupportedConversion(target: name.string, tensor: first.tensor.string, rule: first.place.rule))
    }
  }

  /// One of several runtime tensors that lie one behind the other in a tensor on disk.
  ///
  /// - Parameter isEqual: Whether they are of the same size; else config.json has their sizes.
  private func cut(_ name: TensorName, _ piece: RuntimeNames.Piece, _ shape: [Int], isEqual: Bool) -> Resolution {
    let names = piece.place.names
    func sizes(_ total: Int) -> [Int]? {
      guard isEqual else { return ProjectionRows.sizes(of: names, total: total, base.config) }
      return total % names.count == 0 ? names.map { _ in total / names.count } : nil
    }
    guard let sizes = shape.first.flatMap(sizes) else {
      return .failure(.unknownSlice(target: piece.tensor.string, rule: piece.place.rule))
    }
    let range = ProjectionRows.range(piece.target, of: sizes)
    return .success(
      TensorPlacement(
        name: name, shape: [range.count] + shape.dropFirst(),
        parts: [TensorPlacement.Part(piece.tensor, runtimeRows: 0..<range.count, row: range.lowerBound)],
        rule: piece.place.rule))
  }

  /// A matrix or a stack of matrices that lies with rows and columns exchanged.
  private func transposed(_ name: TensorName, _ piece: RuntimeNames.Piece, _ shape: [Int]) -> TensorPlacement {
    let (d1, d2) = (shape[shape.count - 2], shape[shape.count - 1])
    let stack = shape.dropLast(2).reduce(1, *)
    return TensorPlacement(
      name: name, shape: Array(shape.dropLast(2)) + [d2, d1],
      parts: (0..<stack).map {
        TensorPlacement.Part(piece.tensor, runtimeRows: $0 * d2..<($0 + 1) * d2, row: $0 * d1, isTransposed: true)
      }, rule: piece.place.rule)
  }
}
