import JSONText
import Safetensors

/// BOFT: the weight times the factors of a butterfly, each of orthogonal blocks of columns that lie apart, and rows that are
/// scaled: `diag(s) W F_1^T F_2^T ...`.
///
/// PEFT has more than one factor only where it can build its CUDA extension: without it, it takes the config's number for 1,
/// but writes it as it was. So one factor is always allowed.
///
/// Sources: Liu et al., arXiv:2311.06243; PEFT 0.21.2 `BOFTLayer.block_butterfly_perm`, `cayley_batch`, `Linear.merge`,
/// `Conv2d.merge`.
struct BOFT: ModuleTuner {
  static let peftType = "BOFT"
  static let name = "BOFT"
  static let ownBiases = "boft_only"

  static let fields: [ConfigField] = [
    .used("boft_block_size"), .used("boft_block_num"), .used("boft_n_butterfly_factor"),
    .ignored("boft_dropout", because: ConfigField.trainingOnly),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// (factors, blocks, b, b).
  private static let rotations = FactorRole("boft_R")
  /// (out, 1); of a convolution (1, out).
  private static let scales = FactorRole("boft_s")
  private static let roles = [rotations, scales]

  static let endings = roles.map { KeyEnding($0) }

  /// Nil: ``blockCount`` says it.
  private let blockSize: Int?
  private let blockCount: Int?
  private let factorCount: Int

  init(_ reader: ConfigReader) throws(AdapterError) {
    func size(_ field: String) throws(AdapterError) -> Int? {
      reader.json[field] == .integer(0) ? nil : try reader.rank(field)
    }
    blockCount = try size("boft_block_num")
    blockSize = try size("boft_block_size") ?? (reader.json["boft_block_size"] == nil && blockCount == nil ? 4 : nil)
    factorCount = try reader.rank("boft_n_butterfly_factor") ?? 1
  }

  /// The largest blocks that more than two factors are multiplied with each other for.
  private static let largestProduct = 128

  /// Up to which factor those from `level` on are one matrix: as many as make blocks of no more than ``largestProduct`` columns;
  /// two always, whose product takes no more multiplications of a row than one after the other.
  private static func end(ofProductFrom level: Int, count: Int, size: Int) -> Int {
    var end = level + 1
    while end < count, end - level < 2 || size << (end - level) <= largestProduct { end += 1 }
    return end
  }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let shape = try module.required(Self.rotations).shape
    let scales = try module.required(Self.scales).shape
    guard shape.count == 4, shape[2] == shape[3], shape[2] == blockSize ?? shape[2], shape[1] == blockCount ?? shape[1],
      [1, factorCount].contains(shape[0])
    else {
      let size = blockSize.map { "\($0)" } ?? "b"
      let factors = factorCount == 1 ? "1" : "1 or \(factorCount)"
      throw module.failure(
        .shape(expected: "(\(factors), \(blockCount.map { "\($0)" } ?? "blocks"), \(size), \(size))", found: shape),
        at: module[Self.rotations])
    }
    let (count, blocks, size) = (shape[0], shape[1], shape[2])
    guard count == 1 || (count <= 32 && size % 2 == 0 && blocks % (1 << (count - 1)) == 0) else {
      throw module.failure(
        .shape(expected: "even blocks, \(count) times a multiple of 2^\(count - 1)", found: shape),
        at: module[Self.rotations])
    }
    guard scales.count == 2, scales.contains(1) else {
      throw module.failure(.shape(expected: "(out, 1) or (1, out)", found: scales), at: module[Self.scales])
    }
    let (place, length) = (try module.place(of: Self.rotations), size * size)
    let factors = (0..<count).map { level in
      Factor(place, rows: blocks, columns: length, offset: level * blocks * length, rowStride: length, columnStride: 1)
    }
    var steps: [UpdateStep<Factor>] = []
    var level = 0
    while level < count {
      let next = Self.end(ofProductFrom: level, count: count, size: size)
      steps.append(.rotate(Rotation(.butterfly(Array(factors[level..<next]), size: size, level: level))))
      level = next
    }
    let rows = scales[0] * scales[1]
    steps.append(.scale(.rowMajor(try module.place(of: Self.scales), rows: 1, columns: rows), along: .rows))
    return ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: rows, inFeatures: blocks * size,
      outWitness: try module.witness(Self.scales), inWitness: try module.witness(Self.rotations), steps: steps,
      tensorIndices: module.indices(of: Self.roles))
  }
}
