import Checkpoints
import MergePlanning
import Platform
import Safetensors

/// The parameters of a tuned model beside those of its base, matched by their names in the model in memory.
struct ModelChange {
  /// A parameter of the tuned model.
  struct Pair {
    /// Nil: the base does not have it.
    let base: LiveParameter?
    let tuned: LiveParameter
  }

  let base: StoredSide
  let tuned: any ModelSide
  /// In the order of the tuned model's files.
  let pairs: [Pair]
  /// Parameters that only the base has.
  let missing: [LiveParameter]

  init(base: StoredSide, tuned: any ModelSide) {
    self.base = base
    self.tuned = tuned
    let places = Dictionary(base.parameters.map { ($0.name, $0) }) { first, _ in first }
    let names = Set(tuned.parameters.map(\.name))
    pairs = tuned.parameters.map { Pair(base: places[$0.name], tuned: $0) }
    missing = base.parameters.filter { !names.contains($0.name) }
  }

  /// Refuses a model whose modules an adapter of PEFT does not name.
  ///
  /// - Throws: `FactorizationError` with `kind`.
  static func check(_ model: Checkpoint) throws(FactorizationError) {
    guard ImageExtractionPlan.reads(model) else { return }
    throw FactorizationError(
      path: model.path,
      .kind(
        "an image or video model as the base of a PEFT adapter",
        hint: "make one .safetensors file of it"))
  }
}
