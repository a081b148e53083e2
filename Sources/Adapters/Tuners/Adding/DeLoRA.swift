import Safetensors

/// DeLoRA: `W + (B diag(l / (r |A_k| |B_k|)) A) * w`, whose norm the trained bound l limits; w are the norms of the columns of W
/// when training began.
///
/// Sources: Bini et al., arXiv:2503.18225; PEFT 0.21.2 `DeloraLayer._compute_delta`.
struct DeLoRA: RankedTuner {
  static let peftType = "DELORA"
  static let name = "DeLoRA"
  static let ownBiases = "delora_only"

  static let fields: [ConfigField] = [
    .used("r"), .used("rank_pattern"),
    .ignored("delora_lambda", because: "the file has the trained bound of each module"),
    .ignored("lambda_pattern", because: "the file has the trained bound of each module"),
    .ignored("module_dropout", because: ConfigField.trainingOnly),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// (r, in).
  private static let a = FactorRole("delora_A")
  /// (out, r).
  private static let b = FactorRole("delora_B")
  /// (1).
  private static let bound = FactorRole("delora_lambda")
  /// (in).
  private static let norms = FactorRole("delora_w_norm")
  private static let roles = [a, b, bound, norms]

  static let endings = roles.map { KeyEnding($0) }

  let ranks: RankSettings

  init(_ reader: ConfigReader) throws(AdapterError) { ranks = try RankSettings(reader, alphaField: nil) }

  func update(_ module: ModuleTensors, _ strength: ModuleStrength) throws(AdapterError) -> ModuleUpdate {
    let (a, b) = (try module.required(Self.a).shape, try module.required(Self.b).shape)
    try module.checkMatrices([Self.a, Self.b])
    for role in [Self.bound, Self.norms] { _ = try module.required(role) }
    try module.checkRank(Self.a, axis: 0, strength)
    try module.checkRank(Self.b, axis: 1, strength)
    let (rows, columns) = (b[0], a[1])
    try module.check(Self.bound, is: [1])
    try module.check(Self.norms, is: [columns])
    let product = Formula.bounded(
      left: Factor.rowMajor(try module.place(of: Self.b), rows: rows, columns: strength.rank),
      right: .rowMajor(try module.place(of: Self.a), rows: strength.rank, columns: columns),
      bound: .rowMajor(try module.place(of: Self.bound), rows: 1, columns: 1))
    let norms = Factor(
      try module.place(of: Self.norms), rows: rows, columns: columns, rowStride: 0, columnStride: 1)
    let term = Term(
      rows: 0..<rows, columns: 0..<columns, Formula.hadamard(product, .matrix(norms)), scaling: 1)
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: rows, inFeatures: columns,
      outWitness: try module.witness(Self.b), inWitness: try module.witness(Self.a), steps: [.add(Addition([term]))],
      tensorIndices: module.indices(of: Self.roles))
    update.scaling = 1
    update.roundsDelta = true
    return update
  }
}
