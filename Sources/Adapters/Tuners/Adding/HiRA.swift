import Safetensors

/// HiRA: `W + W * (B A)`, the low-rank product times the weight, element by element.
///
/// Sources: Huang et al., HiRA, ICLR 2025; PEFT 0.21.2 `HiraLayer._merge`, `Linear`, `Embedding` and `_ConvNd`.
struct HiRA: ModuleTuner {
  static let peftType = "HIRA"
  static let name = "HiRA"

  static let fields: [ConfigField] = [
    .ignored("r", because: "the factors have the rank, and nothing is scaled by it"),
    .ignored("rank_pattern", because: "the factors have the rank, and nothing is scaled by it"),
    .ignored("hira_dropout", because: ConfigField.trainingOnly),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// (r, in); of a convolution (r, in, *kernel).
  private static let a = FactorRole("hira_A")
  /// (out, r); of a convolution (out, r, 1, ...).
  private static let b = FactorRole("hira_B")
  /// (r, vocabulary).
  private static let embeddingA = FactorRole("hira_embedding_A")
  /// (dimension, r).
  private static let embeddingB = FactorRole("hira_embedding_B")
  private static let roles = [a, b, embeddingA, embeddingB]

  static let endings = roles.map { KeyEnding($0) }

  init(_ reader: ConfigReader) throws(AdapterError) {}

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let isEmbedding = module[Self.a] == nil && module[Self.b] == nil
    let (roleA, roleB) = isEmbedding ? (Self.embeddingA, Self.embeddingB) : (Self.a, Self.b)
    if !isEmbedding { try module.exclude([Self.embeddingA, Self.embeddingB], beside: Self.a) }
    let (a, b) = (try module.required(roleA).shape, try module.required(roleB).shape)
    guard isEmbedding ? a.count == 2 : (2...5).contains(a.count) else {
      throw module.failure(.shape(expected: "(r, in) or (r, in, kernel)", found: a), at: module[roleA])
    }
    let rank = a[0]
    let kernel = Array(a.dropFirst(2))
    try module.check(roleB, is: [b[0], rank] + kernel.map { _ in 1 })
    let (rows, columns) = (b[0], a.dropFirst().reduce(1, *))
    let formula = Formula.product(
      left: Factor.rowMajor(try module.place(of: roleB), rows: rows, columns: rank),
      right: .rowMajor(try module.place(of: roleA), rows: rank, columns: columns))
    let addition = Addition(
      [Term(rows: 0..<rows, columns: 0..<columns, formula, scaling: 1)], multipliesWeight: true)
    var update = ModuleUpdate(
      module: module.name.string,
      layout: isEmbedding ? .embedding : kernel.isEmpty ? .linear : .convolution(kernel: kernel, groups: 1),
      outFeatures: rows, inFeatures: columns, outWitness: try module.witness(roleB),
      inWitness: try module.witness(roleA), steps: [.add(addition)], tensorIndices: module.indices(of: Self.roles))
    (update.rank, update.scaling) = (rank, 1)
    update.roundsDelta = true
    return update
  }
}
