import Safetensors

/// Whole differences in a file: `W + d` and `b + d`, of any module, a norm, or the parameter `modulation`.
///
/// Sources: LyCORIS 4.1.3 `FullModule`, `NormModule`; lightx2v `lora_extractor`.
enum FileDifference {
  /// The update of a weight, or of another parameter.
  static func update(
    _ module: ModuleTensors, _ role: FactorRole, target: ModuleUpdate.Target = .weight
  ) throws(AdapterError) -> ModuleUpdate {
    let shape = try module.required(role).shape
    let (place, witness) = (try module.place(of: role), try module.witness(role))
    guard let first = shape.first else {
      throw module.failure(.shape(expected: "that of the tensor it is added to", found: shape), at: place)
    }
    let isVector = shape.count == 1
    let (rows, columns) = isVector ? (1, first) : (first, shape.dropFirst().reduce(1, *))
    let term = Term(
      rows: 0..<rows, columns: 0..<columns, .matrix(Factor.rowMajor(place, rows: rows, columns: columns)), scaling: 1)
    var update = ModuleUpdate(
      module: module.name.string, layout: isVector ? .vector : .flattened, outFeatures: first,
      inFeatures: isVector ? nil : columns, outWitness: witness, inWitness: witness, steps: [.add(Addition([term]))],
      tensorIndices: [place])
    update.target = target
    update.scaling = 1
    return update
  }

  /// What is added to a bias.
  static func bias(_ module: ModuleTensors, _ role: FactorRole) throws(AdapterError) -> ModuleUpdate.Bias {
    let shape = try module.required(role).shape
    guard shape.count == 1 else { throw module.failure(.shape(expected: "(out)", found: shape), at: module[role]) }
    let values = Factor.rowMajor(try module.place(of: role), rows: 1, columns: shape[0])
    return ModuleUpdate.Bias(
      [.add(Addition([Term(rows: 0..<1, columns: 0..<shape[0], .matrix(values), scaling: 1)]))], count: shape[0],
      witness: try module.witness(role), isRequired: true)
  }
}
