import Safetensors

/// One step of what is done to a tensor.
///
/// `Operand` is a matrix: one of an adapter's file while a module is read, a part of a tensor of the inputs in a plan.
/// Whoever carries steps out has one switch over them: the engine in `EngineStep.swift`, the check in `PlainStep.swift`.
/// Here are their values alone.
public enum UpdateStep<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// Takes a part out of the tensor that only the tensor's data tells; the first step, where there is one.
  case subtract(DecompositionStep)
  /// Adds a delta.
  case add(Addition<Operand>)
  /// Adds a delta and rescales rows or columns to given norms: DoRA.
  case rescale(Rescaling<Operand>)
  /// Multiplies each row or each column by its element of a vector: the elements of a matrix, row after row. IA3.
  case scale(Operand, along: Axis)
  /// Multiplies the rows by a matrix: OFT, HRA.
  case rotate(Rotation<Operand>)
  /// Mixes rows or columns in pairs: RoAd.
  case mix(PairMixing<Operand>)
  /// Multiplies blocks of rows from the left: OFT and BOFT of LyCORIS.
  case mixBlocks(BlockMixing<Operand>)
  /// Does steps to some rows, and mixes their result with what they start from.
  case part(PartialUpdate<Operand>)
  /// Rounds to a dtype, as PEFT does between its steps.
  case round(DType)
  /// Writes rows over, after the rounding; the last step, where there is one.
  case replaceRows([RowReplacement<Operand>])

  /// Whether it changes what the steps before it made in another way than by a sum: steps of several adapters cannot change
  /// places then.
  package var isOrdered: Bool {
    switch self {
    case .rescale, .scale, .rotate, .mix, .mixBlocks, .part: true
    case .subtract, .add, .round, .replaceRows: false
    }
  }

  /// The delta that it adds; nil: it adds none.
  package var addition: Addition<Operand>? {
    switch self {
    case .add(let addition): addition
    case .rescale(let rescaling): rescaling.addition
    case .subtract, .scale, .rotate, .mix, .mixBlocks, .part, .round, .replaceRows: nil
    }
  }

  /// Whether it multiplies the tensor.
  package var isMultiplication: Bool {
    switch self {
    case .scale, .rotate, .mix, .mixBlocks: true
    case .subtract, .add, .rescale, .part, .round, .replaceRows: false
    }
  }

  /// The terms of the deltas that it adds.
  public var terms: [Term<Operand>] {
    if case .part(let part) = self { return part.steps.flatMap(\.terms) }
    return addition?.allTerms ?? []
  }

  /// Every matrix that it reads.
  public var operands: [Operand] {
    switch self {
    case .subtract, .round: []
    case .add(let addition): addition.operands
    case .rescale(let rescaling): rescaling.addition.operands + [rescaling.magnitudes]
    case .scale(let factors, _): [factors]
    case .rotate(let rotation): rotation.operands
    case .mix(let mixing): mixing.operands
    case .mixBlocks(let mixing): [mixing.blocks]
    case .part(let part): part.operands
    case .replaceRows(let replacements): replacements.map(\.values)
    }
  }

  /// The same step with another delta; the step as it is where it adds none.
  package func with(_ addition: Addition<Operand>) -> UpdateStep {
    switch self {
    case .add: .add(addition)
    case .rescale(let rescaling): .rescale(rescaling.with(addition))
    case .subtract, .scale, .rotate, .mix, .mixBlocks, .part, .round, .replaceRows: self
    }
  }

  /// The same step with the scalings of its terms multiplied, in double.
  package func scaled(by factor: Double) -> UpdateStep {
    if case .rotate(let rotation) = self { return .rotate(rotation.scaled(by: factor)) }
    guard let addition else { return self }
    return with(addition.changingTerms { $0.scaled(by: Float(factor * Double($0.scaling))) })
  }

  /// The same step on other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> UpdateStep<Other> {
    switch self {
    case .subtract(let decomposition): return .subtract(decomposition)
    case .add(let addition): return .add(try addition.map(transform))
    case .rescale(let rescaling): return .rescale(try rescaling.map(transform))
    case .scale(let factors, let axis): return .scale(try transform(factors), along: axis)
    case .rotate(let rotation): return .rotate(try rotation.map(transform))
    case .mix(let mixing): return .mix(try mixing.map(transform))
    case .mixBlocks(let mixing): return .mixBlocks(try mixing.map(transform))
    case .part(let part): return .part(try part.map(transform))
    case .round(let dtype): return .round(dtype)
    case .replaceRows(let replacements):
      var mapped: [RowReplacement<Other>] = []
      for replacement in replacements {
        mapped.append(RowReplacement(row: replacement.row, values: try transform(replacement.values)))
      }
      return .replaceRows(mapped)
    }
  }
}

/// What of a matrix has one value of a vector.
public enum Axis: Equatable, Sendable {
  /// Each row has one.
  case rows
  /// Each column has one.
  case columns

  /// The axis of the transposed matrix.
  package var other: Axis { self == .rows ? .columns : .rows }
}

/// One row of a tensor that takes the adapter's values as they are.
public struct RowReplacement<Operand: Equatable & Sendable>: Equatable, Sendable {
  public let row: Int
  /// One row of the tensor's columns.
  public let values: Operand

  public init(row: Int, values: Operand) {
    self.row = row
    self.values = values
  }
}
