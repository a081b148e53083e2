import LowRank
import MergePlanning
import Safetensors

/// The change of a parameter that stacks the matrices of experts.
struct ExpertStack: Sendable {
  let parameter: LiveParameter
  /// The first dimension of the parameter and all others, or a matrix with more rows for each expert.
  private let change: any MatrixRows
  /// The experts.
  let count: Int
  /// Of the matrix of one expert, as it is stored.
  let rows: Int
  let columns: Int

  /// - Precondition: The parameter has three dimensions, and the change as many elements.
  init(_ parameter: LiveParameter, _ change: any MatrixRows) {
    let shape = parameter.tensor.shape
    self.parameter = parameter
    self.change = change
    (count, rows, columns) = (shape[0], shape[1], shape[2])
  }

  /// Whether a matrix is stored (in, out).
  var isTransposed: Bool { if case .experts(let isTransposed) = parameter.kind { isTransposed } else { false } }

  /// The change of one expert's matrix, held in memory: a row of the stack is a whole expert, and a search reads it several times.
  func matrix(_ expert: Int) throws -> HeldRows {
    let share = change.rows / count
    var elements: [Float] = []
    try change.read(expert * share..<(expert + 1) * share, into: &elements)
    return HeldRows(elements, rows: rows, columns: columns)
  }
}
