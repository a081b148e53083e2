import JSONText
import Safetensors

/// TinyLoRA: `W + B (v_1 P_1 + ... + v_u P_u) A`, v being one of a few vectors that modules share.
///
/// Sources: arXiv:2602.04118; PEFT 0.21.2 `TinyLoraLayer.get_delta_weight`, `TinyLoraModel._create_and_replace`.
struct TinyLoRA: Tuner {
  static let peftType = "TINYLORA"
  static let name = "TinyLoRA"
  static let ownBiases = "tinylora_only"

  static let fields: [ConfigField] = [
    .used("r"), .used("u"), .used("weight_tying"),
    .refused(
      "save_projection", unless: [.bool(true)],
      "the matrices between the factors are random numbers that PEFT makes when it loads the adapter, and are not in the file",
      hint: "load the adapter with PEFT, set save_projection of its config to true, and save it again"),
    .ignored("projection_seed", because: "the file has the matrices that it gives"),
    .ignored("init_v_bound", because: "concerns the start of training"),
    .ignored("init_weights", because: "concerns the start of training"),
    .ignored("tinylora_dropout", because: ConfigField.trainingOnly),
  ]

  /// (r, in), (out, r) and (u, r, r); of an embedding (r, dimension) and (vocabulary, r).
  private static let a = FactorRole("tinylora_A")
  private static let b = FactorRole("tinylora_B")
  private static let matrices = FactorRole("tinylora_P")
  private static let roles = [a, b, matrices]

  static let endings = roles.map { KeyEnding($0) }
  /// (u), with the number of its group.
  static let numbered = [FactorRole("tinylora_v")]

  /// PEFT's default is 2.
  private let rank: Int
  /// u; PEFT's default is 64.
  private let count: Int
  private let tying: Double

  init(_ reader: ConfigReader) throws(AdapterError) {
    rank = try reader.rank("r") ?? 2
    count = try reader.rank("u") ?? 64
    tying = try reader.number("weight_tying") ?? 0
    guard (0...1).contains(tying) else {
      throw reader.failure("weight_tying", expected: "a number from 0 to 1", reader.json["weight_tying"] ?? .null)
    }
  }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    let modules = try ModuleTensors.all(tensors)
    let groups = VectorGroups(modules.map(\.name.string), tying: tying)
    let vectors = try vectors(tensors, count: groups.count)
    var result = ModuleUpdates()
    for (number, module) in modules.enumerated() {
      guard let group = groups.ofModules[number] else {
        throw module.failure(.vectorUnknown(modules: modules.count, groups: groups.count), at: nil)
      }
      result.updates.append(try update(module, vector: vectors[group], tensors))
    }
    result.shared = Set(vectors)
    return result
  }

  /// Where the vectors of the groups are in the table.
  private func vectors(_ tensors: AdapterTensors, count groups: Int) throws(AdapterError) -> [Int] {
    var vectors: [Int] = []
    for group in 0..<groups {
      let role = FactorRole("tinylora_v.\(group)")
      guard let index = tensors.place(ofShared: role) else {
        throw tensors.failure(.missingFactor(missing: "\(KeyDialect.top).\(role.ending)"), at: nil)
      }
      let info = tensors.table[index]
      try FactorShapes.checkDType(info, path: tensors.path)
      guard info.shape == [count] else {
        throw tensors.failure(.shape(expected: AdapterError.text([count]), found: info.shape), at: index)
      }
      vectors.append(index)
    }
    return vectors
  }

  private func update(
    _ module: ModuleTensors, vector: Int, _ tensors: AdapterTensors
  ) throws(AdapterError) -> ModuleUpdate {
    let (a, b) = (try module.required(Self.a).shape, try module.required(Self.b).shape)
    _ = try module.required(Self.matrices)
    try module.checkMatrices([Self.a, Self.b])
    let (rows, columns) = (b[0], a[1])
    // Of small weights PEFT takes no more than there are singular values.
    let inner = min(rank, rows, columns)
    let strength = ModuleStrength(rank: inner, alpha: 1, rankPattern: nil, alphaPattern: nil)
    try module.checkRank(Self.a, axis: 0, strength)
    try module.checkRank(Self.b, axis: 1, strength)
    try module.check(Self.matrices, is: [count, inner, inner])
    func matrix(_ role: FactorRole, _ rows: Int, _ columns: Int) throws(AdapterError) -> Factor {
      .rowMajor(try module.place(of: role), rows: rows, columns: columns)
    }
    let core = Formula.weighted(
      weights: .rowMajor(vector, rows: 1, columns: count), matrices: try matrix(Self.matrices, count, inner * inner),
      rows: inner)
    let formula = Formula.composed(
      left: .composed(left: .matrix(try matrix(Self.b, rows, inner)), right: core),
      right: .matrix(try matrix(Self.a, inner, columns)))
    var update = ModuleUpdate(
      module: module.name.string, layout: .linear, outFeatures: rows, inFeatures: columns,
      outWitness: try module.witness(Self.b), inWitness: try module.witness(Self.a),
      steps: [.add(Addition([Term(rows: 0..<rows, columns: 0..<columns, formula, scaling: 1)]))],
      tensorIndices: module.indices(of: Self.roles) + [vector])
    update.scaling = 1
    return update
  }
}
