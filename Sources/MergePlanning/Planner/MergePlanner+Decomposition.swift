import Adapters
import Safetensors

extension MergePlanner {
  /// What an update needs taken out of its tensor, checked against everything that PEFT has no defined result for.
  ///
  /// - Parameter place: Where the update lies in the tensor.
  mutating func planDecomposition(
    _ step: DecompositionStep, for update: ModuleUpdate, _ target: TensorName, _ place: PlacedUpdate, _ number: Int
  ) throws(PlanError) {
    let change = step.change
    func refuse(_ what: String) -> PlanError {
      error(.decomposition(change, what), number, key: update.inWitness.tensor)
    }
    if adapters.count > 1 {
      throw refuse("several adapters: in PEFT each changes what the next one finds, and which comes first decides")
    }
    if adapters[number].weight != 1 {
      throw refuse(
        "a weight of \(adapters[number].weight): the part that is taken out cannot be weighted with the rest")
    }
    if replication != nil { throw refuse("\"layer_replication\", where copies of a layer share one weight") }
    if let group = vocabulary.group(of: target), group.isTied, let other = group.names.first(where: { $0 != target }) {
      throw refuse("\(target), which the base keeps as one tensor with \(other)")
    }
    if works[target]?.replacement != nil { throw refuse("\(target), which the adapter replaces") }
    let isTransposed = place.isTransposed
    if isTransposed, change == .kasa || (change == .olora && place.rows != place.columns) {
      throw refuse("\(target), which is stored transposed: PEFT cannot make such an adapter")
    }
    let smallest = min(place.rows, place.columns)
    // KaSA leaves at least one singular value.
    let limit = change == .kasa ? smallest - 1 : smallest
    guard step.rank <= limit else {
      throw refuse("rank \(step.rank) on \(target), which is \(place.rows) x \(place.columns)")
    }
    if change == .pissa, !(step.scaling > 0 && step.scaling.isFinite) {
      throw refuse("a scaling of \(update.scaling ?? 1), of which PEFT takes the root")
    }
    works[target, default: PendingUpdate()].decomposition = DecompositionStep(
      change: change, rank: step.rank, scaling: step.scaling, isTransposed: isTransposed && change != .olora)
  }
}
