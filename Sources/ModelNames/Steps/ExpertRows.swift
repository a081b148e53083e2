import Safetensors

/// Rows of a stack of experts, gathered from tensors one behind the other.
struct ExpertRows {
  private(set) var columns: Int?
  private var parts: [TensorPlacement.Part] = []
  private var row = 0
  private var start = 0
  private var height: Int?

  /// Adds a tensor of an expert; false: it is no matrix as wide as the others.
  mutating func append(_ tensor: TensorName, _ shape: [Int]) -> Bool {
    guard shape.count == 2, shape[1] == columns ?? shape[1] else { return false }
    columns = shape[1]
    parts.append(TensorPlacement.Part(tensor, runtimeRows: row..<row + shape[0], row: 0))
    row += shape[0]
    return true
  }

  /// Ends an expert; its rows, if they are not as many as the others'.
  mutating func endExpert() -> Int? {
    let count = row - start
    start = row
    guard count == height ?? count else { return count }
    height = count
    return nil
  }

  /// The name of the tensor added last.
  var last: String { parts.last?.tensor.string ?? "" }

  /// The stack of all experts.
  func placement(_ name: TensorName, experts: Int, rule: String?) -> TensorPlacement {
    TensorPlacement(name: name, shape: [experts, height ?? 0, columns ?? 0], parts: parts, rule: rule)
  }
}
