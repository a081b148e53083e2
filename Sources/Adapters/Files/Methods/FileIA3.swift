import Safetensors

/// IA3 of LyCORIS: `W[o, i] (1 + w[o])`, or `W[o, i] (1 + w[i])` where the inputs are multiplied. The bias stays.
///
/// It is added as `w * W`, so that it is linear in the user's weight.
///
/// Source: LyCORIS 4.1.3 `IA3Module.get_weight`.
enum FileIA3 {
  /// - Parameter onInput: The value of `on_input`.
  static func update(_ module: ModuleTensors, onInput: Double) throws(AdapterError) -> ModuleUpdate {
    let shape = try module.required(.ia3Vector).shape
    let count = shape.reduce(1, *)
    guard !shape.isEmpty, shape.contains(count) else {
      throw module.failure(.shape(expected: "(n), or (1, n, 1, ...)", found: shape), at: module[.ia3Vector])
    }
    guard onInput == 0 || onInput == 1 else { throw module.failure(.onInput(onInput), at: module[.onInput]) }
    let isColumn = onInput == 1
    let place = try module.place(of: .ia3Vector)
    let (rows, columns) = isColumn ? (1, count) : (count, 1)
    // Repeated over the weight's other dimension, which the vector does not tell.
    let values = Formula.repeated(
      .matrix(Factor.rowMajor(place, rows: rows, columns: columns)), rows: rows, columns: columns)
    let term = Term(rows: 0..<rows, columns: 0..<columns, values, scaling: 1)
    let witness = try module.witness(.ia3Vector)
    var update = ModuleUpdate(
      module: module.name.string,
      layout: isColumn && shape.count > 2 ? .channels(dimensions: shape.count - 2) : .flattened,
      outFeatures: isColumn ? nil : count, inFeatures: isColumn ? count : nil, outWitness: witness, inWitness: witness,
      steps: [.add(Addition([term], multipliesWeight: true))],
      tensorIndices: module.indices(of: [.ia3Vector, .onInput]))
    update.isFitted = true
    update.scaling = 1
    // It multiplies what adapters before it have made of the weight.
    update.mixesResult = true
    return update
  }
}
