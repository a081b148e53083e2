import Adapters
import Checkpoints
import ModelNames
import Safetensors

/// The matrix of a module that the base has in several tensors.
struct JoinedParts {
  let inputs: MergeInputs
  /// What is done to tensors so far.
  let works: [TensorName: PendingUpdate]

  /// The parts in which the base has the matrix of a module, as the base has them; nil: they are no blocks of whole rows of numbers,
  /// or a change before this one is of them.
  func matrix(_ update: ModuleUpdate, _ placement: TensorPlacement, columns: Int) -> [FactorView]? {
    // Decoded weights, and those that are quantized as in training, are not in a file.
    guard inputs.options.arithmetic == .exact, inputs.options.qlora == nil else { return nil }
    var tensors: [FactorView] = []
    for part in placement.parts {
      guard part.hasNeighbors, let entry = inputs.baseTensors.entry(part.tensor), entry.group == nil,
        entry.info.dtype.isMergeable, isUnchanged(part)
      else { return nil }
      let shape = entry.info.shape
      let rows = update.layout == .flattened ? shape[0] : TensorUpdate.matrix(of: shape).rows
      guard shape.reduce(1, *) == rows * columns, part.rows.upperBound <= rows else { return nil }
      tensors.append(
        .rowMajor(
          inputs.base.source(at: entry.location), rows: rows,
          columns: columns
        ).rows(from: part.row, count: part.count, step: 1))
    }
    return tensors
  }

  /// Whether nothing was done to the part's rows.
  private func isUnchanged(_ part: TensorPlacement.Part) -> Bool {
    guard let work = works[part.tensor] else { return true }
    return work.replacement == nil && work.decomposition == nil && work.interleaveCount == 1
      && !work.users.contains { $0.rows.overlaps(part.rows) }
  }
}
