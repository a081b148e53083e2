import Safetensors

/// C3A: `W + C / in`, C of blocks whose rows are each the one above, turned by one.
///
/// Sources: Chen et al., arXiv:2407.19342; PEFT 0.21.2 `C3ALayer.get_delta_weight`, `get_circulant_fast`.
struct C3A: ModuleTuner {
  static let peftType = "C3A"
  static let name = "C3A"
  static let ownBiases = "c3a_only"

  static let fields: [ConfigField] = [
    .ignored("block_size", because: "the shapes of the tensors show the size of the blocks"),
    .ignored("block_size_pattern", because: "the shapes of the tensors show the size of the blocks"),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// (out / b, in / b, b): the first rows of the blocks.
  private static let kernel = FactorRole("c3a_kernel")

  static let endings = [KeyEnding(kernel)]

  private let targets: TargetedModules

  init(_ reader: ConfigReader) throws(AdapterError) { targets = try TargetedModules(reader) }

  func field(replacing tensor: String) -> String? { targets.field(naming: tensor) }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let shape = try module.required(Self.kernel).shape
    guard shape.count == 3 else {
      throw module.failure(.shape(expected: "(out / b, in / b, b)", found: shape), at: module[Self.kernel])
    }
    let (rows, columns) = (shape[0] * shape[2], shape[1] * shape[2])
    let kernels = Factor.rowMajor(try module.place(of: Self.kernel), rows: shape[0], columns: columns)
    let term = Term(
      rows: 0..<rows, columns: 0..<columns, Formula.circulant(kernels: kernels, size: shape[2]), scaling: 1)
    let witness = try module.witness(Self.kernel)
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: rows, inFeatures: columns, outWitness: witness,
      inWitness: witness, steps: [.add(Addition([term]))], tensorIndices: module.indices(of: [Self.kernel]))
    // PEFT rounds C before it divides, and the quotient too.
    (update.scaling, update.divisor) = (1 / Double(columns), Double(columns))
    update.roundsDelta = true
    return update
  }
}
