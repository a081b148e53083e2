import JSONText
import Safetensors

/// Uni-LoRA: `W + B A`, whose elements are numbers of one vector that all modules share, each times a scale of its own.
///
/// Sources: Li et al., Uni-LoRA, arXiv:2506.00799; PEFT 0.21.2 `unilora.Linear._get_lora_matrices`.
struct UniLoRA: Tuner {
  static let peftType = "UNILORA"
  static let name = "Uni-LoRA"
  static let ownBiases = "unilora_only"

  static let fields: [ConfigField] = [
    .used("r"), .used("theta_d_length"),
    .refused(
      "save_indices", unless: [.bool(true)],
      "which numbers of the vector a module uses then follows from the order of all modules in memory, which the file does not "
        + "tell",
      hint: saved),
    .ignored("proj_seed", because: "the file says which numbers of the vector each module uses"),
    .ignored("unilora_dropout", because: ConfigField.trainingOnly),
    .ignored("init_theta_d_bound", because: "concerns the start of training"),
    .ignored("init_weights", because: "concerns the start of training"),
  ]
  private static let saved = "load the adapter with PEFT, set save_indices of its config to true, and save it again"

  /// The tensors of one factor.
  private struct Names {
    /// A: (r, in), B: (out, r): which numbers of the vector, and what they are multiplied by.
    let places: FactorRole
    let scales: FactorRole

    init(_ letter: String) {
      places = FactorRole("unilora_indices_\(letter)")
      scales = FactorRole("unilora_scales_\(letter)")
    }

    var all: [FactorRole] { [places, scales] }
  }

  private static let a = Names("A")
  private static let b = Names("B")
  /// (theta_d_length).
  private static let vector = FactorRole("unilora_theta_d")

  static let endings = (a.all + b.all).map { KeyEnding($0) }
  static let shared = [vector]

  /// PEFT's default is 4.
  private let rank: Int
  /// PEFT's default is 256.
  private let length: Int

  init(_ reader: ConfigReader) throws(AdapterError) {
    rank = try reader.rank("r") ?? 4
    length = try reader.rank("theta_d_length") ?? 256
    // PEFT's default.
    guard reader.json["save_indices"] != nil else {
      throw AdapterError(
        path: reader.path,
        .unsupportedField(
          "save_indices", value: "false", reason: "which numbers of the vector a module uses is not in the file",
          hint: Self.saved))
    }
  }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    guard let vector = tensors.place(ofShared: Self.vector) else {
      throw tensors.failure(.missingFactor(missing: "\(KeyDialect.top).\(Self.vector.ending)"), at: nil)
    }
    let info = tensors.table[vector]
    try FactorShapes.checkDType(info, path: tensors.path)
    guard info.shape == [length] else {
      throw tensors.failure(.shape(expected: AdapterError.text([length]), found: info.shape), at: vector)
    }
    var result = ModuleUpdates()
    for module in try ModuleTensors.all(tensors) {
      result.updates.append(try update(module, .rowMajor(vector, rows: 1, columns: length)))
    }
    result.shared = [vector]
    return result
  }

  private func update(_ module: ModuleTensors, _ vector: Factor) throws(AdapterError) -> ModuleUpdate {
    let strength = ModuleStrength(rank: rank, alpha: 1, rankPattern: nil, alphaPattern: nil)
    func factor(_ names: Names, rankAxis: Int) throws(AdapterError) -> (Formula<Factor>, [Int]) {
      let shape = try module.requiredIndices(names.places).shape
      _ = try module.required(names.scales)
      guard shape.count == 2 else {
        throw module.failure(.shape(expected: "two dimensions", found: shape), at: module[names.places])
      }
      try module.checkRank(names.places, axis: rankAxis, strength)
      try module.check(names.scales, is: shape)
      func matrix(_ role: FactorRole) throws(AdapterError) -> Factor {
        .rowMajor(try module.place(of: role), rows: shape[0], columns: shape[1])
      }
      return (
        .hadamard(.chosen(values: vector, places: try matrix(names.places)), .matrix(try matrix(names.scales))), shape
      )
    }
    let (a, shapeA) = try factor(Self.a, rankAxis: 0)
    let (b, shapeB) = try factor(Self.b, rankAxis: 1)
    let (rows, columns) = (shapeB[0], shapeA[1])
    var update = ModuleUpdate(
      module: module.name.string, layout: .linear, outFeatures: rows, inFeatures: columns,
      outWitness: try module.witness(Self.b.places), inWitness: try module.witness(Self.a.places),
      steps: [
        .add(Addition([Term(rows: 0..<rows, columns: 0..<columns, .composed(left: b, right: a), scaling: 1)]))
      ],
      tensorIndices: module.indices(of: Self.a.all + Self.b.all) + [vector.tensor])
    (update.rank, update.scaling) = (rank, 1)
    return update
  }
}
