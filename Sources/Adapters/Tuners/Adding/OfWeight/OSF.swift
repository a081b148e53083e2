import Safetensors

/// OSF: the directions of the smallest singular values of the weight are trained, those of the largest are kept:
/// `W + U diag(S) V - U_0 diag(S_0) V_0`, where `U_0 diag(S_0) V_0` are those of W, each matrix rounded to its dtype, as training
/// began with them.
///
/// Sources: Nayak et al., arXiv:2504.07097; PEFT 0.21.2 `decompose_weight_matrix`, `OSFLayer.get_delta_weight`.
struct OSF: ModuleTuner {
  static let peftType = "OSF"
  static let name = "OSF"

  static let fields: [ConfigField] = [
    .ignored("effective_rank", because: "the shapes of the tensors show how many directions were trained"),
    .ignored("rank_pattern", because: "the shapes of the tensors show how many directions were trained"),
    .ignored("target_svd_config", because: "PEFT ignores it"),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// (out, k).
  private static let left = FactorRole("osf_svd_params.U_low")
  /// (k).
  private static let values = FactorRole("osf_svd_params.S_low")
  /// (k, in).
  private static let right = FactorRole("osf_svd_params.V_low")
  private static let roles = [left, values, right]

  static let endings = roles.map { KeyEnding($0) }

  init(_ reader: ConfigReader) throws(AdapterError) {}

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let (left, right) = (try module.required(Self.left).shape, try module.required(Self.right).shape)
    _ = try module.required(Self.values)
    try module.checkMatrices([Self.left, Self.right])
    let (rows, count, columns) = (left[0], left[1], right[1])
    try module.check(Self.right, is: [count, columns])
    try module.check(Self.values, is: [count])
    guard count < min(rows, columns) else {
      throw module.failure(
        .shape(expected: "less than \(min(rows, columns)) columns", found: left), at: module[Self.left])
    }
    let trained = Formula.product(
      left: Factor.rowMajor(try module.place(of: Self.left), rows: rows, columns: count),
      right: .rowMajor(try module.place(of: Self.right), rows: count, columns: columns),
      diagonal: .rowMajor(try module.place(of: Self.values), rows: 1, columns: count))
    let before = Formula<Factor>.derived(
      Derivation(.smallestSingularValues(count: count), rows: rows, columns: columns))
    let terms = [(trained, Float(1)), (before, -1)].map { formula, scaling in
      Term(rows: 0..<rows, columns: 0..<columns, formula, scaling: scaling)
    }
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: rows, inFeatures: columns,
      outWitness: try module.witness(Self.left), inWitness: try module.witness(Self.right),
      steps: [.add(Addition(terms))], tensorIndices: module.indices(of: Self.roles))
    update.scaling = 1
    return update
  }
}
