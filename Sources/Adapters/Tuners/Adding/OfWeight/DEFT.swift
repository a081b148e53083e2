import JSONText
import Safetensors

/// DEFT: `W + Q (s R - F^T W)`, which takes what some directions of the outputs see out of the weight, and puts something else in
/// their place; with `para` nothing (PaRa).
///
/// Source: PEFT 0.21.2 `DeftLinear`.
struct DEFT: ModuleTuner {
  static let peftType = "DEFT"
  static let name = "DEFT"
  static let ownBiases = "deft_only"

  static let fields: [ConfigField] = [
    .used("r"), .used("decomposition_method"), .used("alpha"), .used("para"),
    .ignored("init_scale", because: "concerns the start of training"),
    .ignored("deft_dropout", because: ConfigField.trainingOnly),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// How Q and F follow from P.
  private enum Method: String, Choices {
    case relu, qr

    static let list = "\"relu\" or \"qr\""
  }

  /// P, (out, r).
  private static let directions = FactorRole("deft_P")
  /// R, (r, in).
  private static let injection = FactorRole("deft_R")
  private static let roles = [directions, injection]

  static let endings = roles.map { KeyEnding($0) }

  /// PEFT's default is 8; no layer has more than it has outputs.
  private let rank: Int
  private let method: Method
  /// Nil, as 0: the injection is not scaled.
  private let alpha: Double?
  private let isRemovalOnly: Bool
  private let targets: TargetedModules

  init(_ reader: ConfigReader) throws(AdapterError) {
    rank = try reader.rank("r") ?? 8
    method = try reader.choice("decomposition_method") ?? .relu
    if case .null? = reader.json["alpha"] { alpha = nil } else { alpha = try reader.number("alpha") }
    isRemovalOnly = try reader.bool("para")
    targets = try TargetedModules(reader)
  }

  func field(replacing tensor: String) -> String? { targets.field(naming: tensor) }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let shape = try module.required(Self.directions).shape
    try module.checkMatrices([Self.directions])
    let rank = min(rank, shape[0])
    let strength = ModuleStrength(rank: rank, alpha: 1, rankPattern: nil, alphaPattern: nil)
    try module.checkRank(Self.directions, axis: 1, strength)
    var injection: Factor?
    var columns: Int?
    if isRemovalOnly {
      try module.exclude([Self.injection], beside: Self.directions)
    } else {
      let own = try module.required(Self.injection).shape
      try module.checkMatrices([Self.injection])
      try module.checkRank(Self.injection, axis: 0, strength)
      columns = own[1]
      injection = .rowMajor(try module.place(of: Self.injection), rows: rank, columns: own[1])
    }
    let substitution = Substitution(
      directions: Factor.rowMajor(try module.place(of: Self.directions), rows: shape[0], columns: rank),
      isOrthogonal: method == .qr, injection: injection,
      scaling: alpha.map { $0 == 0 ? 1 : $0 / Double(rank) } ?? 1, rank: rank)
    let formula = Formula.derived(Derivation(.substitution(substitution), rows: shape[0], columns: columns ?? 1))
    var update = ModuleUpdate(
      module: module.name.string, layout: .linear, outFeatures: shape[0], inFeatures: columns,
      outWitness: try module.witness(Self.directions),
      inWitness: try module.witness(isRemovalOnly ? Self.directions : Self.injection),
      steps: [.add(Addition([Term(rows: 0..<shape[0], columns: 0..<(columns ?? 1), formula, scaling: 1)]))],
      tensorIndices: module.indices(of: Self.roles))
    update.isFitted = isRemovalOnly
    (update.rank, update.scaling) = (rank, 1)
    update.roundsDelta = true
    return update
  }
}
