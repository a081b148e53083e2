import JSONText
import Safetensors

/// OFT: the weight times orthogonal blocks along a diagonal, `W diag(R_1, R_2, ...)^T`, each of a skew-symmetric matrix.
///
/// A convolution of more than one position computes with something else than the weight that PEFT merges: it rotates windows of
/// the input and adds up where they overlap.
///
/// Sources: Qiu et al., arXiv:2306.07280, and arXiv:2506.19847 for the series; PEFT 0.21.2 `OFTRotationModule.get_weight`,
/// `oft.Linear.merge`, `oft.Conv2d.merge`, `oft.Embedding.merge`.
struct OFT: ModuleTuner {
  static let peftType = "OFT"
  static let name = "OFT"
  static let ownBiases = "oft_only"

  static let fields: [ConfigField] = [
    .used("coft"), .used("eps"), .used("block_share"), .used("use_cayley_neumann"), .used("num_cayley_neumann_terms"),
    .ignored("r", because: "the shapes of the tensors show the number of blocks"),
    .ignored("oft_block_size", because: "the shapes of the tensors show the size of the blocks"),
    .ignored("module_dropout", because: ConfigField.trainingOnly),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// (blocks, b (b - 1) / 2): the elements above the diagonals.
  private static let entries = FactorRole("oft_R.weight")
  private static let embeddingEntries = FactorRole("oft_embedding_R.weight")
  /// What PEFT before 0.16 wrote.
  private static let old = FactorRole("oft_r")
  private static let roles = [entries, embeddingEntries]

  static let endings = (roles + [old]).map { KeyEnding($0) }

  private let terms: Int?
  private let epsilon: Double?
  private let sharesBlock: Bool
  private let targets: TargetedModules

  init(_ reader: ConfigReader) throws(AdapterError) {
    targets = try TargetedModules(reader)
    let usesSeries = try reader.bool("use_cayley_neumann", default: true)
    let terms = try reader.rank("num_cayley_neumann_terms") ?? 5
    self.terms = usesSeries ? terms : nil
    let limit = try reader.number("eps") ?? 6e-5
    epsilon = try reader.bool("coft") ? limit : nil
    sharesBlock = try reader.bool("block_share")
  }

  func field(replacing tensor: String) -> String? { targets.field(naming: tensor) }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    if let index = module[Self.old] { throw module.failure(.oldOFT, at: index) }
    let isEmbedding = module[Self.entries] == nil && module[Self.embeddingEntries] != nil
    let role = isEmbedding ? Self.embeddingEntries : Self.entries
    if !isEmbedding { try module.exclude([Self.embeddingEntries], beside: role) }
    let shape = try module.required(role).shape
    guard shape.count == 2, let size = Self.blockSize(shape[1]), shape[0] == 1 || !sharesBlock else {
      throw module.failure(
        .shape(expected: sharesBlock ? "(1, b (b - 1) / 2)" : "(blocks, b (b - 1) / 2)", found: shape),
        at: module[role])
    }
    let entries = Factor.rowMajor(try module.place(of: role), rows: shape[0], columns: shape[1])
    let cayley = Cayley(
      terms: terms, limit: epsilon.map { $0 / Double(shape[0]).squareRoot() }, isTransposed: !isEmbedding)
    let witness = try module.witness(role)
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: nil,
      inFeatures: sharesBlock ? nil : shape[0] * size, outWitness: witness, inWitness: witness,
      steps: [.rotate(Rotation(.blocks(entries: entries, size: size, cayley)))],
      tensorIndices: module.indices(of: Self.roles))
    update.columnUnit = size
    update.foldsWindows = true
    return update
  }

  /// b, of b (b - 1) / 2 entries above a diagonal; nil: no block has so many.
  private static func blockSize(_ count: Int) -> Int? {
    let size = Int((1 + (1 + 8 * Double(count)).squareRoot()) / 2)
    return count < 1 << 40 && size * (size - 1) / 2 == count ? size : nil
  }
}
