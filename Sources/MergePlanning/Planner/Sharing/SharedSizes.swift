import Adapters
import Checkpoints
import ModelNames
import Safetensors

/// Numbers of an adapter that depend on all the weights that it changes: those that PEFT draws when it loads the adapter, or
/// slices from tensors of the largest sizes.
enum SharedSizes {
  /// The updates of an adapter with what its weights have in common.
  ///
  /// PEFT takes the most rows and the most columns of all modules that it adapts (0.21.2 `_find_dim`).
  static func updates(of number: Int, _ planner: inout MergePlanner) throws(PlanError) -> [ModuleUpdate] {
    let updates = planner.adapters[number].adapter.updates
    guard updates.contains(where: \.dependsOnLargest) else { return updates }
    let weights = try weights(of: number, &planner)
    let table = planner.adapters[number].adapter.header.tensors
    for update in updates {
      guard let misfit = update.misfit(weights, shape: { table.shape(at: $0) }) else { continue }
      throw planner.error(
        .shape(
          factor: misfit.name, found: table.shape(at: misfit.tensor), target: "the largest weights",
          expected: misfit.expected), number, key: misfit.tensor)
    }
    return updates.map { $0.sized(weights) }
  }

  private static func weights(of number: Int, _ planner: inout MergePlanner) throws(PlanError) -> AdaptedWeights {
    var (rows, columns) = (0, 0)
    var dtype: DType?
    for update in planner.adapters[number].adapter.updates {
      let resolved = try planner.target(of: update, number)
      let place = try UpdatePlacement(of: update, shape: resolved.shape, number, &planner)
        .place(update, target: resolved.whole ?? resolved.name, shape: resolved.shape)
      for part in resolved.parts {
        guard let own = planner.dtype(of: part.tensor) else { continue }
        // PEFT rounds what it draws to the dtype of each weight, one after another.
        guard dtype == nil || dtype == own || !update.draws else {
          throw planner.error(
            .mixedDTypes(target: part.tensor.string, found: own, other: dtype ?? own), number,
            key: update.inWitness.tensor)
        }
        dtype = own
      }
      rows = max(rows, place.isTransposed ? place.columns : place.rows)
      columns = max(columns, place.isTransposed ? place.rows : place.columns)
    }
    return AdaptedWeights(rows: rows, columns: columns, dtype: dtype ?? .f32)
  }
}
