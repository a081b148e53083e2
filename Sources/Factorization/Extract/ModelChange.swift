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

  let base: Checkpoint
  let tuned: Checkpoint
  /// In the order of the tuned model's files.
  let pairs: [Pair]
  /// Parameters that only the base has.
  let missing: [LiveParameter]

  /// - Throws: `FactorizationError` with `kind` for a model that is not read.
  init(base: Checkpoint, tuned: Checkpoint) throws(FactorizationError) {
    for model in [base, tuned] { try Self.refuse(model) }
    self.base = base
    self.tuned = tuned
    let before = LiveParameter.all(of: base)
    let after = LiveParameter.all(of: tuned)
    let places = Dictionary(before.map { ($0.name, $0) }) { first, _ in first }
    let names = Set(after.map(\.name))
    pairs = after.map { Pair(base: places[$0.name], tuned: $0) }
    missing = before.filter { !names.contains($0.name) }
  }

  private static func refuse(_ model: Checkpoint) throws(FactorizationError) {
    if model.layout == .pipeline {
      throw FactorizationError(
        path: model.path, .kind("a pipeline of diffusers", hint: "give a part of both, such as \(model.path)/unet"))
    }
    if StoredWeights(model).weights.isEmpty == false {
      throw FactorizationError(
        path: model.path,
        .kind("has quantized weights", hint: "extract from the models before quantization"))
    }
    if let architecture = model.imageArchitecture {
      throw FactorizationError(
        path: model.path,
        .kind("an image or video model (\(architecture))", hint: "extract reads language models and single modules"))
    }
  }
}
