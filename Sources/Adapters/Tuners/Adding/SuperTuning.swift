import JSONText
import Safetensors

/// Super-Tuning: `W[i] + v[i]` for some places i of the weight as one row, and with a rank `+ s B A` (Supra).
///
/// Source: PEFT 0.21.2 `supertuning.Linear.get_delta_weight`.
struct SuperTuning: ModuleTuner {
  static let peftType = "SUPERTUNING"
  static let name = "Super-Tuning"

  static let fields: [ConfigField] = [
    .used("r"), .used("lora_alpha"),
    .refused(
      "save_precomputed_indices", unless: [.bool(true)],
      "which elements were trained then follows from the order in which torch sorts the weight's magnitudes, equal ones among them",
      hint: "load the adapter with PEFT, set save_precomputed_indices of its config to true, and save it again"),
    .ignored("sparsity", because: "the file has the places of the elements"),
    .ignored("select_top", because: "the file has the places of the elements"),
    .ignored("lora_dropout", because: ConfigField.trainingOnly),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// (n).
  private static let values = FactorRole("supertuning_values")
  private static let places = FactorRole("supertuning_indices")
  /// (r, in) and (out, r).
  private static let a = FactorRole("supertuning_lora_A.weight")
  private static let b = FactorRole("supertuning_lora_B.weight")
  private static let roles = [values, places, a, b]

  static let endings = roles.map { KeyEnding($0) }

  /// Nil: there are no factors.
  private let rank: Int?
  private let alpha: Double

  init(_ reader: ConfigReader) throws(AdapterError) {
    rank = reader.json["r"] == .null ? nil : try reader.rank("r")
    let stated = reader.json["lora_alpha"] == .null ? nil : try reader.number("lora_alpha")
    // PEFT's default.
    alpha = stated ?? Double(2 * (rank ?? 0))
  }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let shape = try module.required(Self.values).shape
    _ = try module.requiredIndices(Self.places)
    guard shape.count == 1 else { throw module.failure(.shape(expected: "(n)", found: shape), at: module[Self.values]) }
    try module.check(Self.places, is: shape)
    let scattered = Formula.scattered(
      values: Factor.rowMajor(try module.place(of: Self.values), rows: 1, columns: shape[0]),
      places: .rowMajor(try module.place(of: Self.places), rows: 1, columns: shape[0]), rows: 1, columns: 1)
    var steps = [UpdateStep.add(Addition([Term(rows: 0..<1, columns: 0..<1, scattered, scaling: 1)]))]
    var extent: (rows: Int, columns: Int)?
    if let rank {
      try module.checkMatrices([Self.a, Self.b])
      let (a, b) = (try module.required(Self.a).shape, try module.required(Self.b).shape)
      let strength = ModuleStrength(rank: rank, alpha: alpha, rankPattern: nil, alphaPattern: nil)
      try module.checkRank(Self.a, axis: 0, strength)
      try module.checkRank(Self.b, axis: 1, strength)
      extent = (b[0], a[1])
      let product = Formula.product(
        left: Factor.rowMajor(try module.place(of: Self.b), rows: b[0], columns: rank),
        right: .rowMajor(try module.place(of: Self.a), rows: rank, columns: a[1]))
      let term = Term(rows: 0..<b[0], columns: 0..<a[1], product, scaling: Float(alpha / Double(rank)))
      // PEFT adds the two after one another, and rounds each sum.
      steps.append(.add(Addition([term])))
    } else if let index = module[Self.a] ?? module[Self.b] {
      throw module.failure(.variantNotDeclared("r"), at: index)
    }
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: extent?.rows, inFeatures: extent?.columns,
      outWitness: try module.witness(extent == nil ? Self.places : Self.b),
      inWitness: try module.witness(extent == nil ? Self.places : Self.a), steps: steps,
      tensorIndices: module.indices(of: Self.roles))
    update.isFitted = true
    update.scaling = 1
    update.roundsDelta = true
    return update
  }
}
