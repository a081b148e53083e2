import JSONText
import Safetensors

/// RandLoRA: `W + s B A'`, a sum of many products of small random matrices, which have full rank together; what was trained
/// scales one of the two of each. See ``RandomBases``.
///
/// Sources: Albert et al., arXiv:2502.00987; PEFT 0.21.2 `RandLoraModel`, `Linear.get_delta_weight`.
struct RandLoRA: Tuner {
  static let peftType = "RANDLORA"
  static let name = "RandLoRA"
  static let ownBiases = "randlora_only"

  static let fields: [ConfigField] = [
    .used("r"), .used("randlora_alpha"), .used("save_projection"), .used("projection_prng_key"), .used("sparse"),
    .used("very_sparse"),
    .ignored("randlora_dropout", because: ConfigField.trainingOnly),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// (r, n).
  private static let lambda = FactorRole("randlora_lambda")
  /// (n, d), d being the smaller size of the weight.
  private static let gamma = FactorRole("randlora_gamma")
  /// (r, 1, d of all) and (the larger size of all, n of all, r). PEFT saves them for every module once more.
  private static let a = FactorRole("randlora_A")
  private static let b = FactorRole("randlora_B")
  private static let roles = [lambda, gamma]

  static let endings = [lambda, gamma, a, b].map { KeyEnding($0) }
  static let shared = [a, b]

  /// PEFT's default is 32.
  private let rank: Int
  /// PEFT's default is 640.
  private let alpha: Double
  private let savesProjections: Bool
  private let seed: Int64
  private let kind: RandomBases<Factor>.Kind

  init(_ reader: ConfigReader) throws(AdapterError) {
    rank = try reader.rank("r") ?? 32
    alpha = try reader.number("randlora_alpha") ?? 640
    savesProjections = try reader.bool("save_projection", default: true)
    seed = try reader.seed("projection_prng_key", default: 0)
    if try reader.bool("very_sparse") {
      kind = .verySparse
    } else {
      kind = try reader.bool("sparse") ? .sparse : .uniform
    }
  }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    let modules = try ModuleTensors.all(tensors)
    let bases = try bases(tensors)
    var result = ModuleUpdates()
    for module in modules { result.updates.append(try update(module, bases, tensors)) }
    if let bases { result.shared = [bases.a, bases.b] }
    return result
  }

  /// Where the shared matrices are in the table; nil: they are in no file.
  private func bases(_ tensors: AdapterTensors) throws(AdapterError) -> (a: Int, b: Int)? {
    let found = [Self.a, Self.b].map { tensors.place(ofShared: $0) }
    if !savesProjections, found == [nil, nil] { return nil }
    var places: [Int] = []
    for (role, index) in zip([Self.a, Self.b], found) {
      guard let index else {
        throw tensors.failure(.missingFactor(missing: "\(KeyDialect.top).\(role.ending)"), at: nil)
      }
      let info = tensors.table[index]
      try FactorShapes.checkDType(info, path: tensors.path)
      let isRight =
        info.shape.count == 3 && !info.shape.contains(0)
        && (role == Self.a ? info.shape[0] == rank && info.shape[1] == 1 : info.shape[2] == rank)
      guard isRight else {
        let expected = role == Self.a ? "(\(rank), 1, columns)" : "(rows, bases, \(rank))"
        throw tensors.failure(.shape(expected: expected, found: info.shape), at: index)
      }
      places.append(index)
    }
    return (places[0], places[1])
  }

  private func update(
    _ module: ModuleTensors, _ bases: (a: Int, b: Int)?, _ tensors: AdapterTensors
  ) throws(AdapterError) -> ModuleUpdate {
    guard try module.required(Self.lambda).shape.first == rank else {
      let found = tensors.table.shape(at: try module.place(of: Self.lambda))
      throw module.failure(.shape(expected: "(\(rank), bases)", found: found), at: module[Self.lambda])
    }
    let shape = try module.required(Self.gamma).shape
    guard shape.count == 2 else {
      throw module.failure(.shape(expected: "(bases, columns)", found: shape), at: module[Self.gamma])
    }
    let width = shape[1]
    let count = (width + rank - 1) / rank
    try module.check(Self.gamma, is: [count, width])
    try module.check(Self.lambda, is: [rank, count])
    let random = RandomBases(
      lambda: Factor(
        try module.place(of: Self.lambda), rows: rank * count, columns: width, rowStride: 1, columnStride: 0),
      gamma: .rowMajor(try module.place(of: Self.gamma), rows: count, columns: width),
      source: source(bases, tensors), rank: rank, count: count, width: width)
    let term = Term(rows: 0..<1, columns: 0..<1, Formula.open(.bases(random)), scaling: 1)
    let witness = try module.witness(Self.gamma)
    let copies = try copies(module, bases, tensors)
    var update = ModuleUpdate(
      module: module.name.string, layout: .linear, outFeatures: nil, inFeatures: nil, outWitness: witness,
      inWitness: witness, steps: [.add(Addition([term]))],
      tensorIndices: module.indices(of: Self.roles) + copies.map(\.copy)
        + [bases?.a, bases?.b].compactMap { $0 })
    update.isFitted = true
    update.copies = copies
    (update.alpha, update.scaling) = (alpha, alpha / Double(rank))
    update.roundsDelta = true
    return update
  }

  private func source(_ bases: (a: Int, b: Int)?, _ tensors: AdapterTensors) -> RandomBases<Factor>.Source {
    guard let bases else { return .drawn(seed: seed, kind) }
    let (a, b) = (tensors.table.shape(at: bases.a), tensors.table.shape(at: bases.b))
    return .file(
      a: .rowMajor(bases.a, rows: rank, columns: a[2]), b: .rowMajor(bases.b, rows: b[0], columns: b[1] * rank))
  }

  /// The module's own copies of the shared matrices: all modules have them, or a file that was made smaller has none.
  private func copies(
    _ module: ModuleTensors, _ bases: (a: Int, b: Int)?, _ tensors: AdapterTensors
  ) throws(AdapterError) -> [ModuleUpdate.Copy] {
    let found = [Self.a, Self.b].map { module[$0] }
    guard let bases else {
      // Without the shared ones nothing would say which of the copies count.
      for case let index? in found {
        throw module.failure(.missingFactor(missing: "\(KeyDialect.top).\(Self.a.ending)"), at: index)
      }
      return []
    }
    if found == [nil, nil] { return [] }
    var copies: [ModuleUpdate.Copy] = []
    for (role, original) in [(Self.a, bases.a), (Self.b, bases.b)] {
      let copy = try module.place(of: role)
      try module.check(role, is: tensors.table.shape(at: original))
      copies.append(ModuleUpdate.Copy(copy: copy, original: original))
    }
    return copies
  }
}
