import Safetensors

/// DoRA in a file: rows or columns of `W + delta` rescaled to trained norms.
///
/// The shape says which, whatever wrote it: (out, 1, ...) and (out) are rows, (1, in, 1, ...) columns. Of a convolution an
/// input channel has one norm over rows and positions.
///
/// Sources: LyCORIS 4.1.3 `apply_weight_decompose`; PEFT 0.21.2 `DoraLinearLayer`.
enum FileMagnitudes {
  private static let roles: [FactorRole] = [.doraScale, .magnitude]

  /// The tensor of the magnitudes; nil: the module has none.
  static func place(in module: ModuleTensors) throws(AdapterError) -> Int? {
    guard let index = module[.doraScale] else { return module[.magnitude] }
    try module.exclude([.magnitude], beside: .doraScale)
    return index
  }

  /// The step that adds the update's delta and rescales the sum.
  static func step(_ update: ModuleUpdate, _ module: ModuleTensors) throws(AdapterError) -> UpdateStep<Factor>? {
    guard let role = roles.first(where: { module[$0] != nil }), let addition = update.steps.first?.addition,
      let rows = update.outFeatures, let columns = update.inFeatures
    else { return nil }
    let shape = try module.required(role).shape
    let count = shape.reduce(1, *)
    let values = Factor.rowMajor(try module.place(of: role), rows: 1, columns: count)
    // PEFT saves those of rows of a convolution as (1, out, 1, 1).
    if count == rows, shape.first == rows || (role == .magnitude && shape.contains(rows)) {
      return .rescale(Rescaling(addition, along: .rows, to: values))
    }
    guard role == .doraScale, shape.count > 1, shape[0] == 1, count == shape[1], columns % count == 0 else {
      throw module.failure(
        .shape(expected: "(\(rows), 1, ...) for rows, or (1, in, ...) for columns of \(columns)", found: shape),
        at: module[role])
    }
    return .rescale(Rescaling(addition, along: .columns, to: values, columnsPerNorm: columns / count))
  }
}
