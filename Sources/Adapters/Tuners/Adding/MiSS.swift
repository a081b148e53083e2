import JSONText
import Safetensors

/// MiSS: `W[o, i] + M[i mod r, o]`, or in its small form `W[o, i] + M[i mod r, o mod m]`. In its form "bat" each r rows of the
/// weight have a block M of r rows: with X the r columns of any part of them `X + (X M + M)`.
///
/// Sources: Kang and Yin, arXiv:2409.15371; PEFT 0.21.2 `MissLinear.get_delta_weight_miss`, `get_delta_weight`.
struct MiSS: ModuleTuner {
  static let peftType = "MISS"
  static let name = "MiSS"
  static let ownBiases = "MiSS_only"
  static let fields =
    MissBlocks.fields + [.used("mini_r"), .ignored("miss_dropout", because: ConfigField.trainingOnly)]
  static let endings = [KeyEnding(FactorRole("miss_block"))]

  private let blocks: MissBlocks

  init(_ reader: ConfigReader) throws(AdapterError) { blocks = try MissBlocks(FactorRole("miss_block"), reader) }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate { try blocks.update(module) }

  func field(replacing tensor: String) -> String? { blocks.targets.field(naming: tensor) }
}

/// Bone: what PEFT called MiSS before 0.18.
///
/// Source: PEFT 0.21.2 `scripts/convert-bone-to-miss.py`, which gives such an adapter the names of MiSS.
struct Bone: ModuleTuner {
  static let peftType = "BONE"
  static let name = "Bone"
  static let ownBiases = "Bone_only"
  static let fields = MissBlocks.fields
  static let endings = [KeyEnding(FactorRole("bone_block"))]

  private let blocks: MissBlocks

  init(_ reader: ConfigReader) throws(AdapterError) { blocks = try MissBlocks(FactorRole("bone_block"), reader) }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate { try blocks.update(module) }

  func field(replacing tensor: String) -> String? { blocks.targets.field(naming: tensor) }
}

/// The one tensor of a module, under either name.
struct MissBlocks {
  static let fields: [ConfigField] = [.used("r"), .used("init_weights")]

  /// What `init_weights` makes of the tensor.
  private enum Form {
    /// (r, out).
    case whole
    /// (r, m), m being `mini_r`.
    case small(Int)
    /// (out / r, r, r).
    case blocks
  }

  private let role: FactorRole
  /// PEFT's default is 64.
  private let rank: Int
  private let form: Form
  let targets: TargetedModules

  init(_ role: FactorRole, _ reader: ConfigReader) throws(AdapterError) {
    self.role = role
    targets = try TargetedModules(reader)
    rank = try reader.rank("r") ?? 64
    switch reader.json["init_weights"] {
    case nil, .null, .bool: form = .whole
    case .string("mini"): form = .small(try reader.rank("mini_r") ?? 1)
    case .string("bat"): form = .blocks
    case .some(let other): throw reader.failure("init_weights", expected: "true, false, \"bat\" or \"mini\"", other)
    }
  }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let shape = try module.required(role).shape
    if case .blocks = form { return try blocks(module, shape) }
    guard shape.count == 2 else { throw module.failure(.shape(expected: "(r, out)", found: shape), at: module[role]) }
    let strength = ModuleStrength(rank: rank, alpha: 1, rankPattern: nil, alphaPattern: nil)
    try module.checkRank(role, axis: 0, strength)
    var outFeatures: Int? = shape[1]
    if case .small(let width) = form {
      try module.check(role, is: [rank, width])
      outFeatures = nil
    }
    let values = Factor.rowMajor(try module.place(of: role), rows: shape[0], columns: shape[1]).transposed
    let formula = Formula.repeated(.matrix(values), rows: values.rows, columns: values.columns)
    let witness = try module.witness(role)
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: outFeatures, inFeatures: nil, outWitness: witness,
      inWitness: witness,
      steps: [
        .add(Addition([Term(rows: 0..<values.rows, columns: 0..<values.columns, formula, scaling: 1)]))
      ], tensorIndices: module.indices(of: [role]))
    update.isFitted = true
    (update.rank, update.scaling) = (rank, 1)
    return update
  }

  private func blocks(_ module: ModuleTensors, _ shape: [Int]) throws(AdapterError) -> ModuleUpdate {
    guard shape.count == 3 else {
      throw module.failure(.shape(expected: "(out / \(rank), \(rank), \(rank))", found: shape), at: module[role])
    }
    try module.check(role, is: [shape[0], rank, rank])
    let rows = shape[0] * rank
    let blocks = Factor.rowMajor(try module.place(of: role), rows: rows, columns: rank)
    let witness = try module.witness(role)
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: rows, inFeatures: nil, outWitness: witness,
      inWitness: witness, steps: [.rotate(Rotation(.bands(blocks: blocks, size: rank)))],
      tensorIndices: module.indices(of: [role]))
    (update.rank, update.columnUnit) = (rank, rank)
    return update
  }
}
