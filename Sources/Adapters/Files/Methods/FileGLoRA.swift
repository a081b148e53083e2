import Safetensors

/// GLoRA of LyCORIS: `W + s (b1 b2 + (W a1) a2)`; in older files `W + s (b2 b1 + (W a2) a1)`.
///
/// The shapes tell the two forms apart, but for a square weight: there the form with a rank below the weight's size is taken.
///
/// Source: LyCORIS 4.1.3 `GLoRAModule`, `_glora_weight`.
enum FileGLoRA {
  /// The factors in the order of the formula.
  private struct Form {
    let a: (left: FactorRole, right: FactorRole)
    let b: (left: FactorRole, right: FactorRole)
  }

  private static let current = Form(a: (.gloraA1, .gloraA2), b: (.gloraB1, .gloraB2))
  private static let old = Form(a: (.gloraA2, .gloraA1), b: (.gloraB2, .gloraB1))
  private static let roles: [FactorRole] = [.gloraA1, .gloraA2, .gloraB1, .gloraB2]

  /// The update without a scaling, and the rank.
  static func update(_ module: ModuleTensors) throws(AdapterError) -> (ModuleUpdate, rank: Int) {
    if let index = module[.gloraMid] { throw module.failure(.unsupportedMethod("GLoRA with a core"), at: index) }
    var shapes: [FactorRole: [Int]] = [:]
    for role in roles { shapes[role] = try matrix(role, module) }
    guard let form = try form(shapes, module), let right = shapes[form.b.right], let left = shapes[form.b.left] else {
      throw module.failure(
        .shape(expected: "that of the other three factors", found: shapes[.gloraA1] ?? []), at: module[.gloraA1])
    }
    let (rows, columns, rank) = (left[0], right[1], right[0])
    func factor(_ role: FactorRole) throws(AdapterError) -> Factor {
      let shape = shapes[role] ?? []
      return .rowMajor(try module.place(of: role), rows: shape[0], columns: shape[1])
    }
    // (W a) b as the transposed of b^T (a^T W^T): a network of one layer on the columns of W^T.
    let network = Network(
      input: try factor(form.a.left).transposed, encoders: [], decoders: [],
      output: try factor(form.a.right).transposed, activation: .linear, rank: rank)
    let own = Formula.derived(Derivation(.network(network), rows: columns, columns: rows, isTransposed: true))
    let added = Formula.product(left: try factor(form.b.left), right: try factor(form.b.right))
    let terms = [added, own].map { Term(rows: 0..<rows, columns: 0..<columns, $0, scaling: 1) }
    let update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: rows, inFeatures: columns,
      outWitness: try module.witness(form.b.left), inWitness: try module.witness(form.b.right),
      steps: [.add(Addition(terms))], tensorIndices: module.indices(of: roles))
    return (update, rank)
  }

  /// A factor's rows and columns; of a convolution those of one position alone.
  private static func matrix(_ role: FactorRole, _ module: ModuleTensors) throws(AdapterError) -> [Int] {
    let shape = try module.required(role).shape
    guard shape.count >= 2 else {
      throw module.failure(.shape(expected: "two dimensions", found: shape), at: module[role])
    }
    guard shape.dropFirst(2).allSatisfy({ $0 == 1 }) else {
      throw module.failure(.unsupportedMethod("GLoRA of a convolution with several positions"), at: module[role])
    }
    return Array(shape.prefix(2))
  }

  /// The form that the shapes fit; nil: none.
  private static func form(_ shapes: [FactorRole: [Int]], _ module: ModuleTensors) throws(AdapterError) -> Form? {
    func fits(_ form: Form) -> Bool {
      guard let a1 = shapes[form.a.left], let a2 = shapes[form.a.right], let b1 = shapes[form.b.left],
        let b2 = shapes[form.b.right]
      else { return false }
      let (columns, rank) = (a1[0], a1[1])
      return a2 == [rank, columns] && b2 == [rank, columns] && b1[1] == rank
    }
    switch (fits(current), fits(old)) {
    case (true, false): return current
    case (false, true): return old
    case (false, false): return nil
    case (true, true):
      guard let a1 = shapes[.gloraA1], a1[0] != a1[1] else { throw module.failure(.eitherGLoRA, at: module[.gloraA1]) }
      return a1[0] > a1[1] ? current : old
    }
  }
}
