import JSONText
import Safetensors

/// GLoRA: `W + W * A + B` and `b + b * D + E + W C`, each of the five a product of two factors, a vector, a number or nothing.
///
/// Sources: Chavan et al., arXiv:2306.07967; PEFT 0.21.2 `GloraLayer.update_layer`, `GloraLayer.merge`.
struct GLoRA: ModuleTuner {
  static let peftType = "GLORA"
  static let name = "GLoRA"
  static let ownBiases = "glora_only"

  static let fields: [ConfigField] = [
    .used("r"), .used("config_A_B"), .used("config_C"), .used("config_D_E"),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// What a matrix is made of.
  private enum Form: String, Choices {
    case lora, vector, constant, none

    static let list = "\"lora\", \"vector\", \"constant\" or \"none\""
  }

  /// The tensors that one of the five may have.
  private struct Path {
    /// The left and the right factor.
    let down: FactorRole
    let up: FactorRole
    /// A vector or a number.
    let values: FactorRole
    /// A buffer of zeros, where nothing is trained.
    let zeros: FactorRole

    init(_ letter: String) {
      (down, up) = (FactorRole("glora_\(letter).Xd"), FactorRole("glora_\(letter).Xu"))
      (values, zeros) = (FactorRole("glora_\(letter).X"), FactorRole("glora_\(letter).zeros"))
    }

    var all: [FactorRole] { [down, up, values, zeros] }
  }

  /// One of the five, as a matrix of so many rows and columns; nil: as many as the layer has.
  private struct Part {
    let formula: Formula<Factor>
    let rows: Int?
    let columns: Int?
    /// The tensors that say so.
    let rowWitness: FactorRole
    let columnWitness: FactorRole
    var isZero = false
  }

  private static let paths = ["A", "B", "C", "D", "E"].map { Path($0) }
  private static let roles = paths.flatMap(\.all)

  static let endings = roles.map { KeyEnding($0) }

  /// PEFT's default is 8.
  private let rank: Int
  private let weightForm: Form
  private let imageForm: Form
  private let biasForm: Form

  init(_ reader: ConfigReader) throws(AdapterError) {
    rank = try reader.rank("r") ?? 8
    weightForm = try reader.choice("config_A_B") ?? .lora
    imageForm = try reader.choice("config_C") ?? .lora
    biasForm = try reader.choice("config_D_E") ?? .constant
    if imageForm == .constant {
      throw reader.failure("config_C", expected: "\"lora\", \"vector\" or \"none\"", .string("constant"))
    }
    if biasForm == .lora {
      throw reader.failure("config_D_E", expected: "\"vector\", \"constant\" or \"none\"", .string("lora"))
    }
  }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let paths = Self.paths
    let a = try matrix(paths[0], module)
    let b = try matrix(paths[1], module)
    let c = try column(paths[2], module)
    let d = try row(paths[3], module)
    let e = try row(paths[4], module)
    // Every tensor that tells the layer's rows or columns tells the same.
    let rows = try Self.agreed(
      [(a.rows, a.rowWitness), (b.rows, b.rowWitness), (d.columns, d.columnWitness), (e.columns, e.columnWitness)],
      module)
    let columns = try Self.agreed(
      [(a.columns, a.columnWitness), (b.columns, b.columnWitness), (c.rows, c.rowWitness)], module)
    func terms(_ part: Part, rows: Int, columns: Int) -> [Term<Factor>] {
      [Term(rows: 0..<rows, columns: 0..<columns, part.formula.repeated(rows: rows, columns: columns), scaling: 1)]
    }
    let weight = Addition(
      terms(a, rows: rows.count ?? 1, columns: columns.count ?? 1), multipliesWeight: true,
      shift: terms(b, rows: rows.count ?? 1, columns: columns.count ?? 1))
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: rows.count, inFeatures: columns.count,
      outWitness: try module.witness(rows.role), inWitness: try module.witness(columns.role), steps: [.add(weight)],
      tensorIndices: module.indices(of: Self.roles))
    update.isFitted = a.rows == nil || a.columns == nil
    (update.rank, update.scaling) = (weightForm == .lora ? rank : nil, 1)
    update.roundsDelta = true
    // Where all three are zeros the layer has no bias, or none of it was trained.
    guard !(c.isZero && d.isZero && e.isZero) else { return update }
    let bias = Addition(
      terms(d, rows: 1, columns: rows.count ?? 1), multipliesWeight: true,
      shift: terms(e, rows: 1, columns: rows.count ?? 1))
    var own = ModuleUpdate.Bias(
      [.add(bias)], count: rows.count, witness: try module.witness(e.columnWitness), isRequired: true)
    own.image = c.isZero ? nil : c.formula
    own.roundsDelta = true
    update.bias = own
    return update
  }

  /// A or B.
  private func matrix(_ path: Path, _ module: ModuleTensors) throws(AdapterError) -> Part {
    switch weightForm {
    case .lora: return try product(path, module)
    case .none:
      let shape = try shape(path.zeros, of: path, dimensions: 2, "(out, in)", module)
      return try whole(path.zeros, rows: shape[0], columns: shape[1], module)
    case .vector:
      let shape = try shape(path.values, of: path, dimensions: 2, "(out, 1)", module)
      try module.check(path.values, is: [shape[0], 1])
      return Part(
        formula: .matrix(.rowMajor(try module.place(of: path.values), rows: shape[0], columns: 1)), rows: shape[0],
        columns: nil, rowWitness: path.values, columnWitness: path.values)
    case .constant: return try number(path, module)
    }
  }

  /// C, a matrix of one column.
  private func column(_ path: Path, _ module: ModuleTensors) throws(AdapterError) -> Part {
    if imageForm == .lora, module[path.zeros] == nil {
      let part = try product(path, module)
      try module.check(path.up, is: [rank, 1])
      return part
    }
    let isZero = imageForm == .none || module[path.zeros] != nil
    let role = isZero ? path.zeros : path.values
    let shape = try shape(role, of: path, dimensions: 2, "(in, 1)", module)
    try module.check(role, is: [shape[0], 1])
    var part = try whole(role, rows: shape[0], columns: 1, module)
    part.isZero = isZero
    return part
  }

  /// D or E, a matrix of one row.
  private func row(_ path: Path, _ module: ModuleTensors) throws(AdapterError) -> Part {
    let isZero = biasForm == .none || module[path.zeros] != nil
    if !isZero, biasForm == .constant { return try number(path, module) }
    let role = isZero ? path.zeros : path.values
    let shape = try shape(role, of: path, dimensions: 1, "(out)", module)
    var part = try whole(role, rows: 1, columns: shape[0], module)
    part.isZero = isZero
    return part
  }

  private func product(_ path: Path, _ module: ModuleTensors) throws(AdapterError) -> Part {
    try exclude(path.down, of: path, but: [path.up], module)
    let (down, up) = (try module.required(path.down).shape, try module.required(path.up).shape)
    try module.checkMatrices([path.down, path.up])
    let strength = ModuleStrength(rank: rank, alpha: 1, rankPattern: nil, alphaPattern: nil)
    try module.checkRank(path.down, axis: 1, strength)
    try module.checkRank(path.up, axis: 0, strength)
    return Part(
      formula: .product(
        left: .rowMajor(try module.place(of: path.down), rows: down[0], columns: rank),
        right: .rowMajor(try module.place(of: path.up), rows: rank, columns: up[1])), rows: down[0], columns: up[1],
      rowWitness: path.down, columnWitness: path.up)
  }

  private func number(_ path: Path, _ module: ModuleTensors) throws(AdapterError) -> Part {
    _ = try shape(path.values, of: path, dimensions: 1, "(1)", module)
    try module.check(path.values, is: [1])
    return Part(
      formula: .matrix(.rowMajor(try module.place(of: path.values), rows: 1, columns: 1)), rows: nil, columns: nil,
      rowWitness: path.values, columnWitness: path.values)
  }

  private func whole(
    _ role: FactorRole, rows: Int, columns: Int, _ module: ModuleTensors
  ) throws(AdapterError) -> Part {
    Part(
      formula: .matrix(.rowMajor(try module.place(of: role), rows: rows, columns: columns)), rows: rows,
      columns: columns, rowWitness: role, columnWitness: role)
  }

  private func shape(
    _ role: FactorRole, of path: Path, dimensions: Int, _ expected: String, _ module: ModuleTensors
  ) throws(AdapterError) -> [Int] {
    try exclude(role, of: path, but: [], module)
    let shape = try module.required(role).shape
    guard shape.count == dimensions else {
      throw module.failure(.shape(expected: expected, found: shape), at: module[role])
    }
    return shape
  }

  private func exclude(
    _ role: FactorRole, of path: Path, but others: [FactorRole], _ module: ModuleTensors
  ) throws(AdapterError) {
    guard module[role] != nil else { return }
    try module.exclude(path.all.filter { $0 != role && !others.contains($0) }, beside: role)
  }

  /// The number that all tensors say, with the first that says it; nil: none does.
  private static func agreed(
    _ found: [(count: Int?, role: FactorRole)], _ module: ModuleTensors
  ) throws(AdapterError) -> (count: Int?, role: FactorRole) {
    guard let first = found.first(where: { $0.count != nil }) else { return found[0] }
    if let other = found.first(where: { $0.count != nil && $0.count != first.count }) {
      throw module.failure(
        .shape(
          expected: "with \(first.count ?? 0), as \(first.role.ending) has it",
          found: try module.required(other.role).shape), at: module[other.role])
    }
    return first
  }
}

extension Formula {
  /// The matrix of a vector or a number that stands in every column, or in every place; others as they are.
  fileprivate func repeated(rows: Int, columns: Int) -> Formula where Operand == Factor {
    guard case .matrix(let values) = self else { return self }
    let isWhole = values.rows == rows && values.columns == columns && values.columns > 1
    return isWhole ? self : .repeated(self, rows: rows, columns: columns)
  }
}
