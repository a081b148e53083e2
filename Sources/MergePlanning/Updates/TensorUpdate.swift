import Adapters

/// What is done to one tensor, seen as a matrix of whole rows: a list of steps, one after another.
public struct TensorUpdate: Equatable, Sendable {
  /// A step on matrices of the plan's inputs.
  public typealias Step = UpdateStep<FactorView>

  /// The tensor's first dimensions multiplied, and its last; a vector is one row.
  public let rows: Int
  public let columns: Int
  /// Done in this order, in fp32; the one rounding to the tensor's dtype comes after the last step that computes, and rows
  /// are replaced after that.
  public let steps: [Step]

  public init(rows: Int, columns: Int, steps: [Step]) {
    self.rows = rows
    self.columns = columns
    self.steps = steps
  }

  /// A tensor's shape as a matrix: the first dimensions multiplied, and the last; a vector is one row.
  static func matrix(of shape: [Int]) -> (rows: Int, columns: Int) {
    (shape.dropLast().reduce(1, *), shape.last ?? 1)
  }

  /// Nothing but the rounding to another dtype of a tensor of this shape.
  package init(roundingOnly shape: [Int]) {
    let (rows, columns) = Self.matrix(of: shape)
    self.init(rows: rows, columns: columns, steps: [])
  }

  /// Whether an adapter changes the tensor; otherwise it is only rounded to another dtype.
  package var changesElements: Bool { !steps.isEmpty }

  /// The terms of all steps, in their order.
  public var terms: [Term<FactorView>] { steps.flatMap(\.terms) }

  /// Every matrix that the steps read.
  package var views: [FactorView] { steps.flatMap(\.operands) }

  /// What is taken out of the tensor before anything else; nil: nothing.
  public var decomposition: DecompositionStep? {
    for case .subtract(let decomposition) in steps { return decomposition }
    return nil
  }

  /// Whether the tensor is decomposed, to take a part out of it or to make a delta of what it has.
  public var decomposesWeight: Bool { decomposition != nil || terms.contains { $0.formula.decomposesWeight } }

  /// The rows that are written over, in their order.
  public var rowReplacements: [RowReplacement<FactorView>] {
    for case .replaceRows(let replacements) in steps { return replacements }
    return []
  }

  /// The same update with other steps in place of each: none where `change` returns none.
  package func replacingSteps(_ change: (Step) -> [Step]) -> TensorUpdate {
    TensorUpdate(rows: rows, columns: columns, steps: steps.flatMap(change))
  }
}
