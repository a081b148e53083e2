import Checkpoints
import JSONText
import Safetensors

/// Tensors whose rows lie by turns: a gate's row, then one of what it gates.
///
/// A tensor of 2n rows that lie by turns is, as the same bytes, a matrix of n rows of twice the columns: the parts lie beside
/// each other in it.
extension MergePlanner {
  /// A tensor on disk whose even rows are the first half of the live tensor's, or the first of two live tensors.
  func interleaved(
    _ name: TensorName, _ pieces: [RuntimeNames.Piece], _ shape: [Int], isChunked: Bool
  ) -> Resolution {
    guard let piece = pieces.first, pieces.count == 1 else {
      return .failure(
        NameProblem(problem: .ambiguousName(target: name.string, candidates: pieces.map(\.tensor.string))))
    }
    let count = shape[shape.count - 2]
    guard count % 2 == 0, !isChunked || piece.place.names.count == 2 else {
      return .failure(NameProblem(problem: .partShape(target: name.string, tensor: piece.tensor.string, found: shape)))
    }
    var parts: [TensorPlacement.Part] = []
    var runtimeRow = 0
    for block in 0..<shape.dropLast(2).reduce(1, *) {
      for turn in isChunked ? [piece.target] : [0, 1] {
        parts.append(
          TensorPlacement.Part(
            tensor: piece.tensor, runtimeRows: runtimeRow..<runtimeRow + count / 2, row: block * count,
            isTransposed: false,
            interleaveCount: 2, turn: turn))
        runtimeRow += count / 2
      }
    }
    var live = shape
    if isChunked { live[shape.count - 2] = count / 2 }
    return .success(TensorPlacement(name: name, shape: live, parts: parts, rule: piece.place.rule, whole: nil))
  }

  /// A projection whose heads have their even rows before the odd ones in the live model, for rotary embeddings that
  /// rotate nibbles; on disk it may be one of several that are one tensor.
  func rotated(
    _ name: TensorName, _ pieces: [RuntimeNames.Piece], _ shape: [Int], _ steps: [NameConversion.Step]
  ) -> Resolution {
    guard let piece = pieces.first, pieces.count == 1, case .rope(let section, let components)? = steps.last else {
      return .failure(
        NameProblem(problem: .ambiguousName(target: name.string, candidates: pieces.map(\.tensor.string))))
    }
    func refuse() -> Resolution {
      .failure(NameProblem(problem: .unknownSlice(target: piece.tensor.string, rule: piece.place.rule)))
    }
    let targets = steps.count == 2 ? piece.place.names.count : 1
    guard shape.count == 2, shape[0] % targets == 0 else { return refuse() }
    let rows = shape[0] / targets
    let start = piece.target * rows
    var parts: [TensorPlacement.Part] = []
    let isRotated = components.map { $0.contains { name.string.split(separator: ".").contains(Substring($0)) } } ?? true
    if isRotated {
      let own = section.flatMap { base.config?[$0] }
      guard let heads = ModelConfig.attentionHeads(own ?? base.config), rows % (2 * heads) == 0, start % 2 == 0 else {
        return refuse()
      }
      let half = rows / heads / 2
      for number in 0..<2 * heads {
        parts.append(
          TensorPlacement.Part(
            tensor: piece.tensor, runtimeRows: number * half..<(number + 1) * half, row: start + number / 2 * 2 * half,
            isTransposed: false, interleaveCount: 2, turn: number % 2))
      }
    } else {
      // Neighbours, but in the same matrix as the others.
      guard rows % 2 == 0, start % 2 == 0 else { return refuse() }
      for turn in 0..<2 {
        parts.append(
          TensorPlacement.Part(
            tensor: piece.tensor, runtimeRows: turn..<rows - 1 + turn, row: start, isTransposed: false,
            interleaveCount: 2,
            turn: turn, runtimeStride: 2))
      }
    }
    return .success(
      TensorPlacement(name: name, shape: [rows, shape[1]], parts: parts, rule: piece.place.rule, whole: nil))
  }
}
