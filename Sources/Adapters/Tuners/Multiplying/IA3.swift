import Safetensors

/// IA3: each output, or each input of a feedforward layer, times a trained number.
///
/// `W'[o, i] = l[o] W[o, i]` and `b'[o] = l[o] b[o]`, or `W'[o, i] = l[i] W[o, i]` in feedforward layers, whose bias stays.
///
/// Sources: Liu et al., arXiv:2205.05638; PEFT 0.21.2 `IA3Layer`, `Linear.merge`, `_ConvNd.merge`.
struct IA3: ModuleTuner {
  static let peftType = "IA3"
  static let name = "IA3"

  static let fields: [ConfigField] = [
    .used("feedforward_modules"),
    .ignored("init_ia3_weights", because: "concerns the start of training"),
  ]

  /// Of a linear layer (out, 1), of a feedforward one (1, in); of a convolution (1, out or in, 1, ...).
  private static let vector = FactorRole("ia3_l")

  static let endings = [KeyEnding(vector)]

  /// `feedforward_modules`: a pattern for whole paths, or ends of paths; where it does not decide the shape does.
  private let feedforward: ModuleList
  private let targets: TargetedModules

  init(_ reader: ConfigReader) throws(AdapterError) {
    feedforward = try ModuleList("feedforward_modules", reader)
    targets = try TargetedModules(reader)
  }

  func field(replacing tensor: String) -> String? { targets.field(naming: tensor) }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let vector = try module.required(Self.vector)
    let shape = vector.shape
    let count = shape.reduce(1, *)
    guard shape.count >= 2, shape.contains(count) else {
      throw module.failure(.shape(expected: "(out, 1) or (1, in)", found: shape), at: module[Self.vector])
    }
    // Of a linear layer the shape tells; of a convolution, or of one number, only the config.
    let isFeedforward =
      shape.count > 2 || count == 1 ? try feedforward.contains(module.name.string) : shape[0] == 1
    let values = Factor.rowMajor(try module.place(of: Self.vector), rows: 1, columns: count)
    let witness = try module.witness(Self.vector)
    var update = ModuleUpdate(
      module: module.name.string, layout: shape.count == 2 ? .linear : .channels(dimensions: shape.count - 2),
      outFeatures: isFeedforward ? nil : count, inFeatures: isFeedforward ? count : nil, outWitness: witness,
      inWitness: witness, steps: [.scale(values, along: isFeedforward ? .columns : .rows)],
      tensorIndices: module.indices(of: [Self.vector]))
    if !isFeedforward {
      update.bias = ModuleUpdate.Bias(
        [.scale(values, along: .columns)], count: count, witness: witness, isRequired: false)
    }
    return update
  }
}
