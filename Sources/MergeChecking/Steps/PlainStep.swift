import Adapters
import MergePlanning
import Safetensors

/// One step of an update as the check computes it again: by plain loops, with nothing of the engine's. A file of this folder
/// has all of one.
protocol PlainStep: Sendable {
  /// The delta that it adds; nil: it adds none.
  var addition: PlainAddition? { get }
  /// Whether it multiplies the rows.
  var multiplies: Bool { get }
  /// How many products each element is the sum of, where it is no element times a factor; 0: it is one.
  var sumLength: Int { get }
  /// Whether its fp32 steps are known bit for bit.
  var hasKnownBits: Bool { get }
  /// Whether norms down the columns of `W` and its delta are to be found by a pass over the tensor before any row.
  var needsColumnNorms: Bool { get }
  /// How many neighboring columns have one norm.
  var columnsPerNorm: Int { get }
  /// The rows that it changes, of what the steps before it made; nil: all, and its norms are those of the tensor as it was loaded.
  var window: Range<Int>? { get }
  /// These norms, once they were found.
  var columnNorms: PlainColumnNorms? { get }
  mutating func use(_ norms: PlainColumnNorms)
  /// Changes rows of the tensor.
  func apply(_ rows: Range<Int>, _ state: inout PlainRows)
  /// How far a rounding to a narrower dtype can move an element.
  ///
  /// - Parameter isLast: Whether no step follows: the last rounding is counted where results are compared.
  func rounding(weight: Double, spread: Double, isLast: Bool) -> Double
}

extension PlainStep {
  var addition: PlainAddition? { nil }
  var multiplies: Bool { false }
  var sumLength: Int { 0 }
  var hasKnownBits: Bool { true }
  var needsColumnNorms: Bool { false }
  var columnsPerNorm: Int { 1 }
  var window: Range<Int>? { nil }
  var columnNorms: PlainColumnNorms? { nil }
  mutating func use(_ norms: PlainColumnNorms) {}
  func rounding(weight: Double, spread: Double, isLast: Bool) -> Double { 0 }
}

extension UpdateStep where Operand == FactorView {
  /// The check's one switch over steps: reads the step's factors.
  func prepare(_ reader: inout FactorReader, in prepared: inout PreparedTensor) throws(SafetensorsError) {
    switch self {
    // Tensors that a part is taken out of are not compared.
    case .subtract: break
    case .add(let addition): prepared.steps.append(try PlainAddition(addition, &reader))
    case .rescale(let rescaling): prepared.steps.append(try PlainRescaling(rescaling, &reader))
    case .scale(let factors, let axis):
      prepared.steps.append(PlainScaling(factors: try reader.values(factors), axis: axis))
    case .rotate(let rotation):
      if case .bands(let blocks, let size) = rotation.form {
        prepared.steps.append(PlainBands(values: try reader.values(blocks), size: size))
        break
      }
      if case .lowRank(let left, let right, let scaling, let positions) = rotation.form {
        prepared.steps.append(
          PlainLowRank(
            left: try reader.values(left), right: try reader.values(right), rank: left.columns, scaling: scaling,
            positions: positions))
        break
      }
      prepared.steps.append(try PlainRotation(rotation, columns: prepared.columns, &reader))
    case .mix(let mixing): prepared.steps.append(try PlainMixing(mixing, &reader))
    case .mixBlocks(let mixing): prepared.steps.append(try PlainBlockMixing(mixing, &reader))
    case .part(let part): prepared.steps.append(try PlainPart(part, columns: prepared.columns, &reader))
    case .round(let dtype): prepared.steps.append(PlainRounding(dtype))
    case .replaceRows(let replacements):
      for replacement in replacements {
        prepared.rowReplacements.append((replacement.row, try reader.values(replacement.values)))
      }
    }
  }
}
