import JSONText
import Safetensors

/// GraLoRA: `W + s D`, the weight being cut into k times k parts of which each has a product of rank r / k of its own; in its
/// hybrid form also a product for the whole weight. `s = alpha / (r + hybrid_r)`.
///
/// With q = r / k the part of output j and input n is `B_j[n q ..< (n + 1) q]^T A_n[j q ..< (j + 1) q]^T`: rows of B_j, columns
/// of A_n.
///
/// Sources: Jung et al., arXiv:2505.20355; PEFT 0.21.2 `gralora.Linear.get_delta_weight`.
struct GraLoRA: ModuleTuner {
  static let peftType = "GRALORA"
  static let name = "GraLoRA"
  static let ownBiases = "gralora_only"

  static let fields: [ConfigField] = [
    .used("r"), .used("hybrid_r"), .used("alpha"), .used("gralora_k"),
    .ignored("gralora_dropout", because: ConfigField.trainingOnly),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// (k, in / k, r).
  private static let a = FactorRole("gralora_A")
  /// (k, r, out / k).
  private static let b = FactorRole("gralora_B")
  /// (hybrid_r, in).
  private static let wholeA = FactorRole("gralora_A_general.weight")
  /// (out, hybrid_r).
  private static let wholeB = FactorRole("gralora_B_general.weight")
  private static let roles = [a, b, wholeA, wholeB]

  static let endings = roles.map { KeyEnding($0) }

  /// PEFT's defaults are 32, 0, 64 and 2.
  private let rank: Int
  private let wholeRank: Int
  private let alpha: Double
  private let parts: Int

  init(_ reader: ConfigReader) throws(AdapterError) {
    rank = try reader.rank("r") ?? 32
    wholeRank = reader.json["hybrid_r"] == .integer(0) ? 0 : try reader.rank("hybrid_r") ?? 0
    alpha = try reader.number("alpha") ?? 64
    parts = try reader.rank("gralora_k") ?? 2
    guard rank % parts == 0 else {
      throw reader.failure("r", expected: "a multiple of gralora_k, which is \(parts)", .integer(Int64(rank)))
    }
  }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let (a, b) = (try module.required(Self.a).shape, try module.required(Self.b).shape)
    guard a.count == 3, a[0] == parts else {
      throw module.failure(.shape(expected: "(\(parts), in / \(parts), r)", found: a), at: module[Self.a])
    }
    try module.checkRank(Self.a, axis: 2, strength(rank))
    guard b.count == 3, b[0] == parts else {
      throw module.failure(.shape(expected: "(\(parts), r, out / \(parts))", found: b), at: module[Self.b])
    }
    try module.checkRank(Self.b, axis: 1, strength(rank))
    let (rows, columns) = (b[2] * parts, a[1] * parts)
    var terms: [Term<Factor>] = []
    for output in 0..<parts {
      for input in 0..<parts { terms.append(try part(module, output, input, rows: b[2], columns: a[1])) }
    }
    if wholeRank > 0 || module[Self.wholeA] != nil || module[Self.wholeB] != nil {
      terms.append(try whole(module, rows: rows, columns: columns))
    }
    var update = ModuleUpdate(
      module: module.name.string, layout: .linear, outFeatures: rows, inFeatures: columns,
      outWitness: try module.witness(Self.b), inWitness: try module.witness(Self.a), steps: [.add(Addition(terms))],
      tensorIndices: module.indices(of: Self.roles))
    (update.rank, update.alpha) = (rank, alpha)
    update.scaling = alpha / Double(rank + wholeRank)
    update.scalesSum = wholeRank > 0
    return update
  }

  private func strength(_ rank: Int) -> ModuleStrength {
    ModuleStrength(rank: rank, alpha: alpha, rankPattern: nil, alphaPattern: nil)
  }

  /// The product of one part of the weight, of so many rows and columns.
  private func part(
    _ module: ModuleTensors, _ output: Int, _ input: Int, rows: Int, columns: Int
  ) throws(AdapterError) -> Term<Factor> {
    let length = rank / parts
    let left = Factor(
      try module.place(of: Self.b), rows: rows, columns: length, offset: (output * rank + input * length) * rows,
      rowStride: 1, columnStride: rows)
    let right = Factor(
      try module.place(of: Self.a), rows: length, columns: columns, offset: input * columns * rank + output * length,
      rowStride: 1, columnStride: rank)
    return Term(
      rows: output * rows..<(output + 1) * rows, columns: input * columns..<(input + 1) * columns,
      .product(left: left, right: right), scaling: 1)
  }

  /// The product for the whole weight.
  private func whole(_ module: ModuleTensors, rows: Int, columns: Int) throws(AdapterError) -> Term<Factor> {
    for role in [Self.wholeA, Self.wholeB] { _ = try module.required(role) }
    try module.checkMatrices([Self.wholeA, Self.wholeB])
    try module.checkRank(Self.wholeA, axis: 0, strength(wholeRank), field: "hybrid_r")
    try module.check(Self.wholeA, is: [wholeRank, columns])
    try module.check(Self.wholeB, is: [rows, wholeRank])
    let formula = Formula.product(
      left: Factor.rowMajor(try module.place(of: Self.wholeB), rows: rows, columns: wholeRank),
      right: .rowMajor(try module.place(of: Self.wholeA), rows: wholeRank, columns: columns))
    return Term(rows: 0..<rows, columns: 0..<columns, formula, scaling: 1)
  }
}
