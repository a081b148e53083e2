import Safetensors

/// LoHa: `W + s (w1_a w1_b) * (w2_a w2_b)`, the two products multiplied element by element.
///
/// Sources: Hyeon-Woo et al., FedPara, arXiv:2108.06098, propositions 1 and 3; PEFT 0.21.2 `LoHaLayer`, `make_weight`,
/// `make_weight_cp`.
struct LoHa: RankedTuner {
  static let peftType = "LOHA"
  static let name = "LoHa"

  static let fields: [ConfigField] =
    RankSettings.fields(alpha: "alpha") + [
      .ignored("rank_dropout", because: ConfigField.trainingOnly),
      .ignored("module_dropout", because: ConfigField.trainingOnly),
      .ignored("init_weights", because: "concerns the start of training"),
      .ignored("use_effective_conv2d", because: "the tensors in the file show whether a module has cores"),
    ]

  /// Of a linear layer, and of a convolution as a matrix of (out, in * kernel): (out, r). With a core: (r, out).
  static let w1A = FactorRole("hada_w1_a")
  /// (r, in * kernel). With a core: (r, in).
  static let w1B = FactorRole("hada_w1_b")
  static let w2A = FactorRole("hada_w2_a")
  static let w2B = FactorRole("hada_w2_b")
  /// The core of each product, (r, r, *kernel); of one dimension the kernel has a 1 behind it.
  static let core1 = FactorRole("hada_t1")
  static let core2 = FactorRole("hada_t2")
  static let roles = [w1A, w1B, w2A, w2B, core1, core2]

  static let endings = roles.map { KeyEnding($0) }

  let ranks: RankSettings

  init(_ reader: ConfigReader) throws(AdapterError) { ranks = try RankSettings(reader, alphaField: "alpha") }

  func update(_ module: ModuleTensors, _ strength: ModuleStrength) throws(AdapterError) -> ModuleUpdate {
    var update = try Self.update(module, strength)
    update.scaling = strength.alpha / Double(strength.rank)
    return update
  }

  /// What a module's tensors do, without a scaling.
  ///
  /// - Parameter strength: What the config says; nil: the factors say the rank.
  static func update(_ module: ModuleTensors, _ strength: ModuleStrength?) throws(AdapterError) -> ModuleUpdate {
    let (a, b) = (try module.required(Self.w1A), try module.required(Self.w1B))
    let hasCore = module[Self.core1] != nil || module[Self.core2] != nil
    for (role, info) in [(Self.w1A, a), (Self.w1B, b)] where info.shape.count != 2 {
      throw module.failure(.shape(expected: "two dimensions", found: info.shape), at: module[role])
    }
    let (rows, columns, rank) = (a.shape[hasCore ? 1 : 0], b.shape[1], strength?.rank ?? b.shape[0])
    let kernel = hasCore ? Array(try module.required(Self.core1).shape.dropFirst(2)) : []
    if hasCore, kernel.isEmpty {
      throw module.failure(
        .shape(expected: "(r, r, kernel)", found: try module.required(Self.core1).shape), at: module[Self.core1])
    }
    let positions = kernel.reduce(1, *)
    func product(_ a: FactorRole, _ b: FactorRole, _ core: FactorRole) throws(AdapterError) -> Formula<Factor> {
      try module.checkRank(a, axis: hasCore ? 0 : 1, strength)
      try module.checkRank(b, axis: 0, strength)
      try module.check(a, is: hasCore ? [rank, rows] : [rows, rank])
      try module.check(b, is: [rank, columns])
      let right = Factor.rowMajor(try module.place(of: b), rows: rank, columns: columns)
      guard hasCore else {
        return .product(left: .rowMajor(try module.place(of: a), rows: rows, columns: rank), right: right)
      }
      try module.check(core, is: [rank, rank] + kernel)
      return .tucker(
        left: Factor.rowMajor(try module.place(of: a), rows: rank, columns: rows).transposed,
        core: .rowMajor(try module.place(of: core), rows: rank, columns: rank * positions), right: right)
    }
    let formula = Formula.hadamard(
      try product(Self.w1A, Self.w1B, Self.core1), try product(Self.w2A, Self.w2B, Self.core2))
    let width = columns * positions
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: rows, inFeatures: width,
      outWitness: try module.witness(Self.w1A), inWitness: try module.witness(Self.w1B),
      steps: [.add(Addition([Term(rows: 0..<rows, columns: 0..<width, formula, scaling: 1)]))],
      tensorIndices: module.indices(of: Self.roles))
    update.kernelWitness = try module.optionalWitness(Self.core1)
    return update
  }
}
