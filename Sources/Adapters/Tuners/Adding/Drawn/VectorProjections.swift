import JSONText
import Safetensors

/// What VeRA and PVeRA have in common: two projections for all modules, and two vectors for each.
struct VectorProjections {
  /// The names of the tensors.
  struct Names {
    /// (out).
    let lambdaB: FactorRole
    /// (r), or its means and variances one after the other.
    let lambdaD: FactorRole
    /// (r, in), (out, r) of the largest modules.
    let a: FactorRole
    let b: FactorRole
    /// How many times r the first projection has rows.
    let count: Int

    init(_ prefix: String, count: Int) {
      lambdaB = FactorRole("\(prefix)_lambda_b")
      lambdaD = FactorRole("\(prefix)_lambda_d")
      (a, b) = (FactorRole("\(prefix)_A"), FactorRole("\(prefix)_B"))
      self.count = count
    }

    var roles: [FactorRole] { [lambdaB, lambdaD] }
    var shared: [FactorRole] { [a, b] }

    static let vera = Names("vera", count: 1)
    static let pvera = Names("pvera", count: 2)
  }

  static func fields(dropout: String) -> [ConfigField] {
    [
      .used("r"), .used("save_projection"), .used("projection_prng_key"),
      .ignored("d_initial", because: "concerns the start of training"),
      .ignored("init_weights", because: "concerns the start of training"),
      .ignored(dropout, because: ConfigField.trainingOnly),
    ]
  }

  private let names: Names
  /// PEFT's default is 256.
  private let rank: Int
  private let savesProjections: Bool
  /// What the projections are drawn from, where they are not in the file. PEFT's default is 0.
  private let seed: Int64

  init(_ names: Names, _ reader: ConfigReader) throws(AdapterError) {
    self.names = names
    // No tensor has more: twice as many must be a number still.
    rank = min(try reader.rank("r") ?? 256, 1 << 40)
    savesProjections = try reader.bool("save_projection", default: true)
    seed = try reader.seed("projection_prng_key", default: 0)
  }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    guard let shared = try projections(tensors) else { return try drawn(tensors) }
    var result = ModuleUpdates()
    let (a, b) = shared
    for module in try ModuleTensors.all(tensors) {
      result.updates.append(try update(module, a: a, b: b, tensors))
    }
    let largest = result.updates.compactMap(\.outFeatures).max()
    guard largest == nil || largest == tensors.table.shape(at: b)[0] else {
      let shape = tensors.table.shape(at: b)
      throw tensors.failure(.shape(expected: "(\(largest ?? 0), r)", found: shape), at: b)
    }
    result.shared = [a, b]
    return result
  }

  /// The updates by projections that PEFT draws when it loads the adapter.
  private func drawn(_ tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    var result = ModuleUpdates()
    for module in try ModuleTensors.all(tensors) {
      let rows = try scales(module)
      let projections = DrawnProjections(
        rowScales: Factor(
          try module.place(of: names.lambdaB), rows: rows, columns: rank, rowStride: 1, columnStride: 0),
        innerScales: .rowMajor(try module.place(of: names.lambdaD), rows: 1, columns: rank), seed: seed, rank: rank,
        drawnRows: rank * names.count)
      let term = Term(rows: 0..<rows, columns: 0..<1, .open(.projections(projections)), scaling: 1)
      var update = ModuleUpdate(
        module: module.name.string, layout: .linear, outFeatures: rows, inFeatures: nil,
        outWitness: try module.witness(names.lambdaB), inWitness: try module.witness(names.lambdaB),
        steps: [.add(Addition([term]))], tensorIndices: module.indices(of: names.roles))
      update.isFitted = true
      (update.rank, update.scaling) = (rank, 1)
      result.updates.append(update)
    }
    return result
  }

  /// The rows of a module's weight, by its scales, which are checked.
  private func scales(_ module: ModuleTensors) throws(AdapterError) -> Int {
    let rows = try module.required(names.lambdaB).shape
    _ = try module.required(names.lambdaD)
    guard rows.count == 1 else {
      throw module.failure(.shape(expected: "(out)", found: rows), at: module[names.lambdaB])
    }
    try module.check(names.lambdaD, is: [rank * names.count])
    return rows[0]
  }

  /// Where the two projections are in the table; nil: they are in no file.
  private func projections(_ tensors: AdapterTensors) throws(AdapterError) -> (a: Int, b: Int)? {
    let found = [names.a, names.b].map { tensors.place(ofShared: $0) }
    // What the file has is what was trained with, whatever the config says; PEFT takes it too.
    if !savesProjections, found == [nil, nil] { return nil }
    var places: [Int] = []
    for (axis, role) in [names.a, names.b].enumerated() {
      guard let index = found[axis] else {
        throw tensors.failure(.missingFactor(missing: "\(KeyDialect.top).\(role.ending)"), at: nil)
      }
      let shape = try tensors.matrix(at: index)
      let expected = axis == 0 ? rank * names.count : rank
      guard shape[axis] == expected else {
        throw tensors.failure(
          .rank(expected: expected, found: shape[axis], shape: shape, pattern: nil), at: index)
      }
      places.append(index)
    }
    return (places[0], places[1])
  }

  private func update(
    _ module: ModuleTensors, a: Int, b: Int, _ tensors: AdapterTensors
  ) throws(AdapterError) -> ModuleUpdate {
    let rows = try scales(module)
    let (largestIn, largestOut) = (tensors.table.shape(at: a)[1], tensors.table.shape(at: b)[0])
    guard rows <= largestOut else {
      throw module.failure(.shape(expected: "(at most \(largestOut))", found: [rows]), at: module[names.lambdaB])
    }
    func scaled(_ matrix: Factor, by role: FactorRole) throws(AdapterError) -> Formula<Factor> {
      let scales = Factor(
        try module.place(of: role), rows: matrix.rows, columns: matrix.columns, rowStride: 1, columnStride: 0)
      return .hadamard(.matrix(matrix), .matrix(scales))
    }
    let formula = Formula.composed(
      left: try scaled(.rowMajor(b, rows: rows, columns: rank), by: names.lambdaB),
      right: try scaled(.rowMajor(a, rows: rank, columns: largestIn), by: names.lambdaD))
    let steps = UpdateStep.add(Addition([Term(rows: 0..<rows, columns: 0..<largestIn, formula, scaling: 1)]))
    var update = ModuleUpdate(
      module: module.name.string, layout: .linear, outFeatures: rows, inFeatures: nil,
      outWitness: try module.witness(names.lambdaB), inWitness: ModuleUpdate.Witness(a, names.a.ending), steps: [steps],
      tensorIndices: module.indices(of: names.roles) + [a, b])
    update.isFitted = true
    (update.rank, update.scaling) = (rank, 1)
    return update
  }
}

extension AdapterTensors {
  /// The shape of a tensor of two dimensions that all modules share.
  func matrix(at index: Int) throws(AdapterError) -> [Int] {
    let info = table[index]
    try FactorShapes.checkDType(info, path: path)
    guard info.shape.count == 2, !info.shape.contains(0) else {
      throw failure(.shape(expected: "two dimensions", found: info.shape), at: index)
    }
    return info.shape
  }
}
