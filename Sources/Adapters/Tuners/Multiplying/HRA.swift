import Safetensors

/// HRA: the weight times reflections, `W (I - 2 u_1 u_1^T) (I - 2 u_2 u_2^T) ...`.
///
/// Sources: Yuan et al., arXiv:2405.17484; PEFT 0.21.2 `HRALinear.get_delta_weight`, `HRAConv2d`.
struct HRA: ModuleTuner {
  static let peftType = "HRA"
  static let name = "HRA"
  static let ownBiases = "hra_only"

  static let fields: [ConfigField] = [
    .used("r"), .used("apply_GS"), .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// (in, r); of a convolution (in * kernel, r).
  private static let vectors = FactorRole("hra_u")

  static let endings = [KeyEnding(vectors)]

  /// PEFT's default is 8.
  private let rank: Int
  private let areOrthogonal: Bool
  private let targets: TargetedModules

  init(_ reader: ConfigReader) throws(AdapterError) {
    rank = try reader.rank("r") ?? 8
    targets = try TargetedModules(reader)
    areOrthogonal = try reader.bool("apply_GS")
  }

  func field(replacing tensor: String) -> String? { targets.field(naming: tensor) }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let shape = try module.required(Self.vectors).shape
    guard shape.count == 2 else {
      throw module.failure(.shape(expected: "(in, r)", found: shape), at: module[Self.vectors])
    }
    try module.checkRank(
      Self.vectors, axis: 1, ModuleStrength(rank: rank, alpha: 1, rankPattern: nil, alphaPattern: nil))
    let vectors = Factor.rowMajor(try module.place(of: Self.vectors), rows: shape[0], columns: shape[1])
    let witness = try module.witness(Self.vectors)
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: nil, inFeatures: shape[0], outWitness: witness,
      inWitness: witness, steps: [.rotate(Rotation(.reflections(vectors, areOrthogonal: areOrthogonal)))],
      tensorIndices: module.indices(of: [Self.vectors]))
    update.rank = rank
    return update
  }
}
