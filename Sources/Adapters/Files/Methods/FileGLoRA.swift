import Safetensors

/// GLoRA of LyCORIS: `W + s (b1 b2 + (W a1) a2)`; in older files `W + s (b2 b1 + (W a2) a1)`. Of a convolution W a1 is that of each
/// position, and a core may stand between b1 and b2, as in a Tucker decomposition.
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
    var shapes: [FactorRole: [Int]] = [:]
    for role in roles { shapes[role] = try matrix(role, module) }
    guard let form = try form(shapes, module), let right = shapes[form.b.right], let left = shapes[form.b.left],
      try positions(form.b.left, module) == 1
    else {
      throw module.failure(
        .shape(expected: "that of the other three factors", found: shapes[.gloraA1] ?? []), at: module[.gloraA1])
    }
    let core = try core(module, rank: right[0])
    let positions = if let core { core.positions } else { try positions(form.b.right, module) }
    let (rows, columns, rank) = (left[0], right[1] * positions, right[0])
    func factor(_ role: FactorRole, positions: Int = 1) throws(AdapterError) -> Factor {
      let shape = shapes[role] ?? []
      return .rowMajor(try module.place(of: role), rows: shape[0], columns: shape[1] * positions)
    }
    // The rows of W times a matrix first, so that what is added beside it is not multiplied.
    let own = Rotation<Factor>.Form.lowRank(
      left: try factor(form.a.left), right: try factor(form.a.right), scaling: 1, positions: positions)
    let added: Formula<Factor> =
      if let core {
        .tucker(left: try factor(form.b.left), core: core.matrix, right: try factor(form.b.right))
      } else {
        .product(left: try factor(form.b.left), right: try factor(form.b.right, positions: positions))
      }
    let term = Term(rows: 0..<rows, columns: 0..<columns, added, scaling: 1)
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: rows, inFeatures: columns,
      outWitness: try module.witness(form.b.left), inWitness: try module.witness(form.b.right),
      steps: [.rotate(Rotation(own)), .add(Addition([term]))], tensorIndices: module.indices(of: roles + [.gloraMid]))
    update.mixesResult = true
    update.kernelWitness = try module.optionalWitness(.gloraMid)
    return (update, rank)
  }

  /// The core between b1 and b2, (r, r, *kernel), as a matrix; nil: the module has none.
  private static func core(
    _ module: ModuleTensors, rank: Int
  ) throws(AdapterError) -> (matrix: Factor, positions: Int)? {
    guard let index = module[.gloraMid] else { return nil }
    let shape = try module.required(.gloraMid).shape
    guard shape.count > 2, shape[0] == rank, shape[1] == rank, try positions(.gloraB2, module) == 1,
      try positions(.gloraB1, module) == 1
    else {
      throw module.failure(.shape(expected: "(\(rank), \(rank), kernel)", found: shape), at: index)
    }
    let positions = shape.dropFirst(2).reduce(1, *)
    return (.rowMajor(index, rows: rank, columns: rank * positions), positions)
  }

  /// How many positions the kernel has, which the factor beside the weight's inputs has behind these.
  private static func positions(_ role: FactorRole, _ module: ModuleTensors) throws(AdapterError) -> Int {
    try module.required(role).shape.dropFirst(2).reduce(1, *)
  }

  /// A factor's rows and columns; of a convolution those of one position.
  private static func matrix(_ role: FactorRole, _ module: ModuleTensors) throws(AdapterError) -> [Int] {
    let shape = try module.required(role).shape
    guard shape.count >= 2 else {
      throw module.failure(.shape(expected: "two dimensions", found: shape), at: module[role])
    }
    guard shape.dropFirst(2).allSatisfy({ $0 == 1 }) || [.gloraB1, .gloraB2].contains(role) else {
      throw module.failure(.shape(expected: "one position of a kernel", found: shape), at: module[role])
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
