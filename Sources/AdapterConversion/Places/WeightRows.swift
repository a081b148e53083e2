import Adapters
import ModelNames
import Safetensors

/// A weight as rows of the base's tensors, each row being all that belongs to one output of the module.
struct WeightRows: Equatable, Sendable {
  /// Adjacent rows of a tensor.
  struct Run: Equatable, Sendable {
    let tensor: TensorName
    let rows: Range<Int>
  }

  private(set) var runs: [Run] = []
  /// Whether rows and columns of the base's tensor are exchanged; it is then compared as a whole only.
  let isTransposed: Bool

  /// How many rows it has.
  var count: Int { runs.reduce(0) { $0 + $1.rows.count } }

  /// The rows of a placement; nil: they are interleaved with others.
  init?(_ placement: TensorPlacement) {
    isTransposed = placement.parts.contains(where: \.isTransposed)
    if let whole = placement.whole {
      runs = [Run(tensor: whole, rows: 0..<(placement.shape.first ?? 1))]
      return
    }
    // A kernel of several dimensions has several rows of the plan for each output.
    let unit = isTransposed ? 1 : placement.shape.dropFirst().dropLast().reduce(1, *)
    for part in placement.parts {
      guard part.interleaveCount == 1, part.runtimeStride == 1, part.column == 0, part.columnTurn == .every, unit > 0,
        part.row % unit == 0, part.count % unit == 0
      else { return nil }
      runs.append(Run(tensor: part.tensor, rows: part.row / unit..<(part.row + part.count) / unit))
    }
  }
}
