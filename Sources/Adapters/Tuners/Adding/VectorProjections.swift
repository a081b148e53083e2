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
      .used("r"), .used("save_projection"),
      .ignored("projection_prng_key", because: "the projections are in the file"),
      .ignored("d_initial", because: "concerns the start of training"),
      .ignored("init_weights", because: "concerns the start of training"),
      .ignored(dropout, because: ConfigField.trainingOnly),
    ]
  }

  private let names: Names
  /// PEFT's default is 256.
  private let rank: Int
  private let path: String
  private let savesProjections: Bool

  init(_ names: Names, _ reader: ConfigReader) throws(AdapterError) {
    self.names = names
    path = reader.path
    rank = try reader.rank("r") ?? 256
    savesProjections = try reader.bool("save_projection", default: true)
  }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    var result = ModuleUpdates()
    let (a, b) = try projections(tensors)
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

  /// Where the two projections are in the table.
  private func projections(_ tensors: AdapterTensors) throws(AdapterError) -> (a: Int, b: Int) {
    var places: [Int] = []
    for (role, axis) in [(names.a, 0), (names.b, 1)] {
      guard let index = tensors.place(ofShared: role) else {
        if savesProjections {
          throw tensors.failure(.missingFactor(missing: "\(KeyDialect.top).\(role.ending)"), at: nil)
        }
        throw AdapterError(
          path: path,
          .unsupportedField(
            "save_projection", value: "false",
            reason:
              "the projections are random numbers that PEFT makes when it loads the adapter, and are not in the file",
            hint: "load the adapter with PEFT, set save_projection of its config to true, and save it again"))
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
    let rows = try module.required(names.lambdaB).shape
    _ = try module.required(names.lambdaD)
    guard rows.count == 1 else {
      throw module.failure(.shape(expected: "(out)", found: rows), at: module[names.lambdaB])
    }
    try module.check(names.lambdaD, is: [rank * names.count])
    let (largestIn, largestOut) = (tensors.table.shape(at: a)[1], tensors.table.shape(at: b)[0])
    guard rows[0] <= largestOut else {
      throw module.failure(.shape(expected: "(at most \(largestOut))", found: rows), at: module[names.lambdaB])
    }
    func scaled(_ matrix: Factor, by role: FactorRole) throws(AdapterError) -> Formula<Factor> {
      let scales = Factor(
        try module.place(of: role), rows: matrix.rows, columns: matrix.columns, rowStride: 1, columnStride: 0)
      return .hadamard(.matrix(matrix), .matrix(scales))
    }
    let formula = Formula.composed(
      left: try scaled(.rowMajor(b, rows: rows[0], columns: rank), by: names.lambdaB),
      right: try scaled(.rowMajor(a, rows: rank, columns: largestIn), by: names.lambdaD))
    let steps = UpdateStep.add(Addition([Term(rows: 0..<rows[0], columns: 0..<largestIn, formula, scaling: 1)]))
    var update = ModuleUpdate(
      module: module.name.string, layout: .linear, outFeatures: rows[0], inFeatures: nil,
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
