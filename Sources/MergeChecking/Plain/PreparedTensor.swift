import Inspection
import MergePlanning
import Safetensors

/// The steps of one tensor's update with their factors in fp32, rows and columns as the tensor has them.
struct PreparedTensor: Sendable {
  let rows: Int
  let columns: Int
  /// What computes, in order.
  var steps: [any PlainStep] = []
  /// Row, and the values that are written over it.
  var rowReplacements: [(row: Int, values: [Float])] = []

  /// Reads the factors of `update`.
  ///
  /// - Parameter weight: Reads rows of what is merged into, in fp32.
  init(
    _ update: TensorUpdate, _ files: OpenFiles, weight: @escaping (Range<Int>) throws(SafetensorsError) -> [Float]
  ) throws(SafetensorsError) {
    var reader = FactorReader(
      files: files, weight: PlainWeight(rows: update.rows, columns: update.columns, read: weight))
    rows = update.rows
    columns = update.columns
    for step in update.steps { try step.prepare(&reader, in: &self) }
  }

  /// The steps of so many of its rows.
  init(_ steps: [TensorUpdate.Step], rows: Int, columns: Int, _ reader: inout FactorReader) throws(SafetensorsError) {
    self.rows = rows
    self.columns = columns
    for step in steps { try step.prepare(&reader, in: &self) }
  }

  /// The deltas of all steps, in order.
  var additions: [PlainAddition] { steps.compactMap(\.addition) }

  /// Whether the fp32 steps of a merge are known bit for bit.
  var hasKnownBits: Bool { steps.allSatisfy { $0.hasKnownBits } }
}
