import Safetensors

/// LoRA in a file: `W + s up down`, of a convolution reshaped (LoCon), or with a core between the two (Tucker).
///
/// With a core the element (m, n, k...) of the delta is the sum over p and q of `up[m, p] mid[p, q, k...] down[q, n]`.
///
/// Sources: kohya sd-scripts 48d368f `LoRAModule`; LyCORIS 4.1.3 `functional.locon`, `rebuild_tucker`.
enum FileFactors {
  /// The update without a scaling, and the rank.
  static func update(_ module: ModuleTensors) throws(AdapterError) -> (ModuleUpdate, rank: Int) {
    let (down, up) = (try module.required(.loraA).shape, try module.required(.loraB).shape)
    guard down.count >= 2 else {
      throw module.failure(.shape(expected: "(r, in, kernel...)", found: down), at: module[.loraA])
    }
    let rank = down[0]
    let inner = module[.loraMid] == nil ? rank : try module.required(.loraMid).shape.first ?? 0
    guard up.count >= 2, up[1] == inner, up.dropFirst(2).allSatisfy({ $0 == 1 }) else {
      if let core = module[.loraMid], up.count >= 2, up[1] == rank, inner != rank {
        throw module.failure(
          .shape(expected: "(\(rank), \(rank), kernel...)", found: try module.required(.loraMid).shape), at: core)
      }
      throw module.failure(
        .shape(expected: "(out, \(inner)), or with 1 for each position", found: up), at: module[.loraB])
    }
    let (formula, columns) = try formula(module, down: down, rows: up[0])
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: up[0], inFeatures: columns,
      outWitness: try module.witness(.loraB), inWitness: try module.witness(.loraA),
      steps: [.add(Addition([Term(rows: 0..<up[0], columns: 0..<columns, formula, scaling: 1)]))],
      tensorIndices: module.indices(of: [.loraA, .loraB, .loraMid]))
    update.kernelWitness = try module.optionalWitness(.loraMid)
    return (update, rank)
  }

  private static func formula(
    _ module: ModuleTensors, down: [Int], rows: Int
  ) throws(AdapterError) -> (Formula<Factor>, columns: Int) {
    let (a, b) = (try module.place(of: .loraA), try module.place(of: .loraB))
    guard module[.loraMid] != nil else {
      let columns = down.dropFirst().reduce(1, *)
      let right = Factor.rowMajor(a, rows: down[0], columns: columns)
      return (.product(left: .rowMajor(b, rows: rows, columns: down[0]), right: right), columns)
    }
    let mid = try module.required(.loraMid).shape
    guard mid.count > 2, mid[1] == down[0] else {
      throw module.failure(.shape(expected: "(r, \(down[0]), kernel...)", found: mid), at: module[.loraMid])
    }
    guard down.dropFirst(2).allSatisfy({ $0 == 1 }) else {
      throw module.failure(.shape(expected: "(r, in), or with 1 for each position", found: down), at: module[.loraA])
    }
    let positions = mid.dropFirst(2).reduce(1, *)
    let core = Factor.rowMajor(
      try module.place(of: .loraMid), rows: mid[0], columns: mid[1] * positions)
    let formula = Formula.tucker(
      left: .rowMajor(b, rows: rows, columns: mid[0]), core: core, right: .rowMajor(a, rows: down[0], columns: down[1]))
    return (formula, down[1] * positions)
  }
}
