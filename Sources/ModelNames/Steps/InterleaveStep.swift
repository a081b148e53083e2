import Safetensors

/// Tensors whose rows are interleaved: a gate's row, then one of what it gates.
///
/// A tensor of 2n rows that are interleaved is, as the same bytes, a matrix of n rows of twice the columns: the parts lie beside
/// each other in it.
enum InterleaveStep {
  /// Finds a tensor on disk whose even rows are the first half of the runtime tensor's, or the first of two runtime tensors.
  ///
  /// - Parameter isChunked: Whether it is two runtime tensors.
  static func find(
    _ name: TensorName, _ pieces: [RuntimeNames.Piece], _ shape: [Int], isChunked: Bool
  ) -> Resolution {
    guard let piece = pieces.first, pieces.count == 1 else {
      return .failure(.ambiguousName(target: name.string, candidates: pieces.map(\.tensor.string)))
    }
    let count = shape[shape.count - 2]
    guard count % 2 == 0, !isChunked || piece.place.names.count == 2 else {
      return .failure(.partShape(target: name.string, tensor: piece.tensor.string, found: shape))
    }
    var parts: [TensorPlacement.Part] = []
    var row = 0
    for block in 0..<shape.dropLast(2).reduce(1, *) {
      for turn in isChunked ? [piece.target] : [0, 1] {
        parts.append(
          TensorPlacement.Part(piece.tensor, runtimeRows: row..<row + count / 2, row: block * count, turn: turn))
        row += count / 2
      }
    }
    var runtimeShape = shape
    if isChunked { runtimeShape[shape.count - 2] = count / 2 }
    return .success(TensorPlacement(name: name, shape: runtimeShape, parts: parts, rule: piece.place.rule))
  }
}
