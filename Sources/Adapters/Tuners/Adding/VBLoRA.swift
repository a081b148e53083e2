import JSONText
import Safetensors

/// VB-LoRA: `W + B A`, whose factors are made of sums of vectors from a bank that all modules share.
///
/// Sources: Li et al., arXiv:2405.15179; PEFT 0.21.2 `VBLoRALayer`, `Linear._get_lora_matrices`,
/// `VBLoRAModel._remap_adapter_state_dict_for_load`.
struct VBLoRA: Tuner {
  static let peftType = "VBLORA"
  static let name = "VB-LoRA"
  static let ownBiases = "vblora_only"

  static let fields: [ConfigField] = [
    .used("r"), .used("topk"), .used("save_only_topk_weights"),
    .used("num_vectors"),
    .ignored("vector_length", because: "the bank in the file has its size"),
    .ignored("vblora_dropout", because: ConfigField.trainingOnly),
    .ignored("init_vector_bank_bound", because: "concerns the start of training"),
    .ignored("init_logits_std", because: "concerns the start of training"),
  ]

  /// The tensors of one factor.
  private struct Names {
    /// A: (r, in / length, vectors). B: (out / length, r, vectors).
    let logits: FactorRole
    /// The same with the largest ones only: which they are, and their weights but the last.
    let places: FactorRole
    let weights: FactorRole

    init(_ letter: String) {
      logits = FactorRole("vblora_logits_\(letter)")
      places = FactorRole("vblora_logits_\(letter)_topk_indices")
      weights = FactorRole("vblora_logits_\(letter)_topk_weights")
    }

    var all: [FactorRole] { [logits, places, weights] }
  }

  private static let a = Names("A")
  private static let b = Names("B")
  /// (vectors, length).
  private static let bank = FactorRole("vblora_vector_bank")

  static let endings = (a.all + b.all).map { KeyEnding($0) }
  static let shared = [bank]

  /// PEFT's default is 4.
  private let rank: Int
  /// PEFT's default is 2.
  private let count: Int
  /// Vectors of the bank; nil: the config doesn't say.
  private let vectorCount: Int?
  private let savesWeights: Bool

  init(_ reader: ConfigReader) throws(AdapterError) {
    rank = try reader.rank("r") ?? 4
    count = try reader.rank("topk") ?? 2
    vectorCount = try reader.rank("num_vectors")
    savesWeights = try reader.bool("save_only_topk_weights")
  }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    guard let bank = tensors.place(ofShared: Self.bank) else {
      throw tensors.failure(.missingFactor(missing: "\(KeyDialect.top).\(Self.bank.ending)"), at: nil)
    }
    let shape = try tensors.matrix(at: bank)
    let expected = vectorCount ?? shape[0]
    guard shape[0] == expected, shape[0] >= count else {
      throw tensors.failure(.shape(expected: "(\(max(expected, count)), length)", found: shape), at: bank)
    }
    var result = ModuleUpdates()
    for module in try ModuleTensors.all(tensors) {
      result.updates.append(try update(module, bank: .rowMajor(bank, rows: shape[0], columns: shape[1])))
    }
    result.shared = [bank]
    return result
  }

  private func update(_ module: ModuleTensors, bank: Factor) throws(AdapterError) -> ModuleUpdate {
    let a = try factor(Self.a, module, bank, rankAxis: 0)
    let b = try factor(Self.b, module, bank, rankAxis: 1)
    let (rows, columns) = (b.rows, a.columns)
    let formula = Formula.composed(left: .mixed(b), right: .mixed(a))
    func witness(_ names: Names) throws(AdapterError) -> ModuleUpdate.Witness {
      try module.witness(savesWeights ? names.places : names.logits)
    }
    var update = ModuleUpdate(
      module: module.name.string, layout: .linear, outFeatures: rows, inFeatures: columns,
      outWitness: try witness(Self.b),
      inWitness: try witness(Self.a),
      steps: [.add(Addition([Term(rows: 0..<rows, columns: 0..<columns, formula, scaling: 1)]))],
      tensorIndices: module.indices(of: Self.a.all + Self.b.all) + [bank.tensor])
    (update.rank, update.scaling) = (rank, 1)
    return update
  }

  /// - Parameter axis: The dimension that is the rank.
  private func factor(
    _ names: Names, _ module: ModuleTensors, _ bank: Factor, rankAxis axis: Int
  ) throws(AdapterError) -> Mixture<Factor> {
    let role = savesWeights ? names.places : names.logits
    let shape = savesWeights ? try module.requiredIndices(role).shape : try module.required(role).shape
    guard shape.count == 3 else {
      throw module.failure(.shape(expected: "three dimensions", found: shape), at: module[role])
    }
    try module.exclude(savesWeights ? [names.logits] : [names.places, names.weights], beside: role)
    try module.checkRank(role, axis: axis, ModuleStrength(rank: rank, alpha: 1, rankPattern: nil, alphaPattern: nil))
    try module.check(role, is: [shape[0], shape[1], savesWeights ? count : bank.rows])
    let number = shape[0] * shape[1]
    let length = shape[axis == 0 ? 1 : 0] * bank.columns
    let (rows, columns) = axis == 0 ? (rank, length) : (length, rank)
    guard savesWeights else {
      return Mixture(
        logits: .rowMajor(try module.place(of: role), rows: number, columns: bank.rows), places: nil, bank: bank,
        count: count, rows: rows, columns: columns, areColumns: axis == 1)
    }
    guard count > 1 else {
      throw module.failure(.shape(expected: "weights of at least two vectors", found: shape), at: module[role])
    }
    _ = try module.required(names.weights)
    try module.check(names.weights, is: [shape[0], shape[1], count - 1])
    return Mixture(
      logits: .rowMajor(try module.place(of: names.weights), rows: number, columns: count - 1),
      places: .rowMajor(try module.place(of: role), rows: number, columns: count), bank: bank, count: count, rows: rows,
      columns: columns, areColumns: axis == 1)
  }
}
