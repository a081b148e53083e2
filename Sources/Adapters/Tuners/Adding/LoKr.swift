import Safetensors

/// LoKr: `W + s (w1 (x) w2)`, a Kronecker product of two small matrices, each of which may be a product of factors.
///
/// Sources: Edalati et al., KronA, arXiv:2212.10650; Yeh et al., LyCORIS, arXiv:2309.14859; PEFT 0.21.2 `LoKrLayer`,
/// `make_kron`, `make_weight_cp`.
struct LoKr: RankedTuner {
  static let peftType = "LOKR"
  static let name = "LoKr"

  static let fields: [ConfigField] =
    RankSettings.fields(alpha: "alpha") + [
      .ignored("rank_dropout", because: ConfigField.trainingOnly),
      .ignored("rank_dropout_scale", because: ConfigField.trainingOnly),
      .ignored("module_dropout", because: ConfigField.trainingOnly),
      .ignored("init_weights", because: "concerns the start of training"),
      .ignored("use_effective_conv2d", because: "the tensors in the file show whether a module has a core"),
      .ignored("decompose_both", because: "the tensors in the file show which matrices are products"),
      .ignored("decompose_factor", because: "the shapes of the tensors in the file show the sizes of both matrices"),
    ]

  /// (out1, in1), or the factors (out1, r) and (r, in1).
  static let w1 = FactorRole("lokr_w1")
  static let w1A = FactorRole("lokr_w1_a")
  static let w1B = FactorRole("lokr_w1_b")
  /// (out2, in2, *kernel), or the factors (out2, r) and (r, in2 * kernel). With a core: (r, out2) and (r, in2).
  static let w2 = FactorRole("lokr_w2")
  static let w2A = FactorRole("lokr_w2_a")
  static let w2B = FactorRole("lokr_w2_b")
  /// The core of w2, (r, r, *kernel); of one dimension the kernel has a 1 behind it.
  static let core = FactorRole("lokr_t2")
  static let roles = [w1, w1A, w1B, w2, w2A, w2B, core]

  static let endings = roles.map { KeyEnding($0) }

  let ranks: RankSettings

  init(_ reader: ConfigReader) throws(AdapterError) { ranks = try RankSettings(reader, alphaField: "alpha") }

  /// One of the two matrices, and what says its sizes.
  private struct Side {
    let formula: Formula<Factor>
    let rows: Int
    let columns: Int
    let outRole: FactorRole
    let inRole: FactorRole
    /// Positions of the kernel, which only the full w2 of a Conv1d has apart.
    var kernel = 1
  }

  func update(_ module: ModuleTensors, _ strength: ModuleStrength) throws(AdapterError) -> ModuleUpdate {
    var update = try Self.update(module, strength)
    update.scaling = strength.alpha / Double(strength.rank)
    return update
  }

  /// What a module's tensors do, without a scaling.
  ///
  /// - Parameter strength: What PEFT's config says; nil: the adapter is a file of LyCORIS, whose factors say their ranks and
  ///   whose matrices are never exchanged.
  static func update(_ module: ModuleTensors, _ strength: ModuleStrength?) throws(AdapterError) -> ModuleUpdate {
    let first = try w1(module, strength)
    let second = try w2(module, strength)
    // For a full w2 of three dimensions torch pads w1 on its left, which exchanges the two: the weight that PEFT trains is
    // not the Kronecker product of the two, but the module computes with it.
    let isExchanged = strength != nil && module.rank(of: Self.w2) == 3
    let (outer, inner) = isExchanged ? (second, first) : (first, second)
    let formula = Formula.kronecker(
      outer: outer.formula, inner: inner.formula, kernel: isExchanged ? second.kernel : 1)
    let (rows, columns) = (first.rows * second.rows, first.columns * second.columns)
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: rows, inFeatures: columns,
      outWitness: try module.witness(second.outRole), inWitness: try module.witness(second.inRole),
      steps: [.add(Addition([Term(rows: 0..<rows, columns: 0..<columns, formula, scaling: 1)]))],
      tensorIndices: module.indices(of: Self.roles))
    update.kernelWitness = try module.optionalWitness(Self.core)
    return update
  }

  private static func w1(_ module: ModuleTensors, _ strength: ModuleStrength?) throws(AdapterError) -> Side {
    guard module[Self.w1] != nil else { return try product(Self.w1A, Self.w1B, module, strength) }
    try module.exclude([Self.w1A, Self.w1B], beside: Self.w1)
    let shape = try module.required(Self.w1).shape
    guard shape.count == 2 else {
      throw module.failure(.shape(expected: "(out1, in1)", found: shape), at: module[Self.w1])
    }
    return Side(
      formula: .matrix(.rowMajor(try module.place(of: Self.w1), rows: shape[0], columns: shape[1])), rows: shape[0],
      columns: shape[1], outRole: Self.w1, inRole: Self.w1)
  }

  private static func w2(_ module: ModuleTensors, _ strength: ModuleStrength?) throws(AdapterError) -> Side {
    guard module[Self.w2] != nil else {
      return module[Self.core] == nil
        ? try product(Self.w2A, Self.w2B, module, strength) : try tucker(module, strength)
    }
    try module.exclude([Self.w2A, Self.w2B, Self.core], beside: Self.w2)
    let shape = try module.required(Self.w2).shape
    guard (2...5).contains(shape.count), shape.count < 5 || strength == nil else {
      throw module.failure(.shape(expected: "(out2, in2) or (out2, in2, kernel)", found: shape), at: module[Self.w2])
    }
    let columns = shape.dropFirst().reduce(1, *)
    return Side(
      formula: .matrix(.rowMajor(try module.place(of: Self.w2), rows: shape[0], columns: columns)), rows: shape[0],
      columns: columns, outRole: Self.w2, inRole: Self.w2, kernel: shape.count == 3 ? shape[2] : 1)
  }

  /// A product of two factors, (rows, r) and (r, columns).
  private static func product(
    _ a: FactorRole, _ b: FactorRole, _ module: ModuleTensors, _ strength: ModuleStrength?
  ) throws(AdapterError) -> Side {
    let (left, right) = (try module.required(a).shape, try module.required(b).shape)
    // LyCORIS may store the right factor of a convolution with its kernel.
    try module.checkMatrices(strength == nil && right.count > 2 ? [a] : [a, b])
    guard let rank = right.first, right.count > 1 else {
      throw module.failure(.shape(expected: "(r, in2 * kernel)", found: right), at: module[b])
    }
    try module.checkRank(a, axis: 1, strength)
    try module.checkRank(b, axis: 0, strength)
    try module.check(a, is: [left[0], rank])
    let columns = right.dropFirst().reduce(1, *)
    let formula = Formula.product(
      left: Factor.rowMajor(try module.place(of: a), rows: left[0], columns: rank),
      right: .rowMajor(try module.place(of: b), rows: rank, columns: columns))
    return Side(formula: formula, rows: left[0], columns: columns, outRole: a, inRole: b)
  }

  private static func tucker(_ module: ModuleTensors, _ strength: ModuleStrength?) throws(AdapterError) -> Side {
    let (a, b) = (try module.required(Self.w2A).shape, try module.required(Self.w2B).shape)
    let core = try module.required(Self.core).shape
    try module.checkMatrices([Self.w2A, Self.w2B])
    try module.checkRank(Self.w2A, axis: 0, strength)
    try module.checkRank(Self.w2B, axis: 0, strength)
    let (rank, kernel) = (strength?.rank ?? a[0], Array(core.dropFirst(2)))
    guard !kernel.isEmpty else {
      throw module.failure(.shape(expected: "(r, r, kernel)", found: core), at: module[Self.core])
    }
    try module.check(Self.core, is: [rank, rank] + kernel)
    try module.check(Self.w2B, is: [rank, b[1]])
    let positions = kernel.reduce(1, *)
    let formula = Formula.tucker(
      left: Factor.rowMajor(try module.place(of: Self.w2A), rows: rank, columns: a[1]).transposed,
      core: .rowMajor(
        try module.place(of: Self.core), rows: rank, columns: rank * positions),
      right: .rowMajor(try module.place(of: Self.w2B), rows: rank, columns: b[1]))
    return Side(formula: formula, rows: a[1], columns: b[1] * positions, outRole: Self.w2A, inRole: Self.w2B)
  }
}
