import Checkpoints
import JSONText
import Safetensors

/// Projections whose heads have their even rows before the odd ones in the runtime model, for rotary embeddings that rotate
/// halves. On disk such a projection may be one of several in one tensor.
struct RopeStep {
  let config: JSONValue?

  /// Finds the rows of each half of each head.
  func find(
    _ name: TensorName, _ pieces: [RuntimeNames.Piece], _ shape: [Int], _ steps: [NameConversion.Step]
  ) -> Resolution {
    guard let piece = pieces.first, pieces.count == 1, case .rope(let section, let components)? = steps.last else {
      return .failure(.ambiguousName(target: name.string, candidates: pieces.map(\.tensor.string)))
    }
    let unknown = Resolution.failure(.unknownSlice(target: piece.tensor.string, rule: piece.place.rule))
    let targets = steps.count == 2 ? piece.place.names.count : 1
    guard shape.count == 2, shape[0] % targets == 0 else { return unknown }
    let rows = shape[0] / targets
    let start = piece.target * rows
    var parts: [TensorPlacement.Part] = []
    let isRotated = components.map { $0.contains { name.string.split(separator: ".").contains(Substring($0)) } } ?? true
    if isRotated {
      let own = section.flatMap { config?[$0] }
      guard let heads = ModelConfig.attentionHeads(own ?? config), rows % (2 * heads) == 0, start % 2 == 0 else {
        return unknown
      }
      let half = rows / heads / 2
      for number in 0..<2 * heads {
        parts.append(
          TensorPlacement.Part(
            piece.tensor, runtimeRows: number * half..<(number + 1) * half, row: start + number / 2 * 2 * half,
            turn: number % 2))
      }
    } else {
      // Neighbors, but in the same matrix as the others.
      guard rows % 2 == 0, start % 2 == 0 else { return unknown }
      for turn in 0..<2 {
        parts.append(
          TensorPlacement.Part(
            piece.tensor, runtimeRows: turn..<rows - 1 + turn, row: start, turn: turn, runtimeStride: 2))
      }
    }
    return .success(TensorPlacement(name: name, shape: [rows, shape[1]], parts: parts, rule: piece.place.rule))
  }
}
