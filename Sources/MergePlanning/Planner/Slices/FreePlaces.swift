import Adapters
import ModelNames
import Safetensors

/// Checks that an adapter changes nothing twice, and nothing that another replaces.
struct FreePlaces {
  let inputs: MergeInputs
  /// What is done to tensors so far.
  let works: [TensorName: PendingUpdate]
  /// The adapter.
  let number: Int

  private func error(_ problem: PlanError.Problem, key: Int) -> PlanError { inputs.error(problem, number, key: key) }

  /// No other update of the adapter changes the same rows, and no other adapter replaces the tensor.
  func check(
    _ part: TensorPlacement.Part, for update: ModuleUpdate, isWhole: Bool
  ) throws(PlanError) {
    guard let work = works[part.tensor] else { return }
    let key = update.inWitness.tensor
    if let other = work.replacement, other.adapter != number || !isWhole {
      let name = other.adapter == number ? "the adapter itself" : "another adapter"
      throw error(.replacedAndChanged(target: part.tensor.string, other: name), key: key)
    }
    if work.interleaveCount != part.interleaveCount, !work.steps.isEmpty {
      throw error(
        .slicedChange(target: part.tensor.string, what: "a second change, of rows that are not interleaved,"), key: key)
    }
    guard update.target != .attentionOutput || !isWhole else { return }
    // Where rows and columns are exchanged only the columns are known: that the rows differ is not looked for.
    let rows = part.isTransposed ? 0..<Int.max : part.rows
    let columns = part.isTransposed ? part.takenColumns : nil
    if let other = work.users.first(where: { $0.adapter == number && $0.overlaps(rows: rows, columns: columns) }) {
      throw error(.targetHitTwice(target: part.tensor.string, other: other.module), key: key)
    }
  }

  /// No other update of the adapter changes the same elements of a vector, and no other adapter replaces it.
  func check(_ elements: Range<Int>, of tensor: TensorName, key: Int) throws(PlanError) {
    guard let work = works[tensor] else { return }
    if let other = work.replacement, other.adapter != number {
      throw error(.replacedAndChanged(target: tensor.string, other: "another adapter"), key: key)
    }
    if let other = work.users.first(where: { $0.adapter == number && $0.overlaps(rows: 0..<1, columns: elements) }) {
      throw error(.targetHitTwice(target: tensor.string, other: other.module), key: key)
    }
  }
}
