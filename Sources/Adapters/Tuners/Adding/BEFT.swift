import Safetensors

/// BEFT: `b + v`, a vector for the bias of each adapted layer.
///
/// Sources: arXiv:2509.15974; PEFT 0.21.2 `beft.Linear.merge`. As there, a layer without a bias cannot be merged.
struct BEFT: ModuleTuner {
  static let peftType = "BEFT"
  static let name = "BEFT"

  static let fields: [ConfigField] = [.ignored("init_weights", because: "concerns the start of training")]

  /// (1, out).
  private static let vector = FactorRole("beft_bias")

  static let endings = [KeyEnding(vector)]

  private let targets: TargetedModules

  init(_ reader: ConfigReader) throws(AdapterError) { targets = try TargetedModules(reader) }

  func field(replacing tensor: String) -> String? { targets.field(naming: tensor, leaves: ["bias"]) }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let shape = try module.required(Self.vector).shape
    guard shape.count == 2, shape[0] == 1 else {
      throw module.failure(.shape(expected: "(1, out)", found: shape), at: module[Self.vector])
    }
    let values = Factor.rowMajor(try module.place(of: Self.vector), rows: 1, columns: shape[1])
    let witness = try module.witness(Self.vector)
    var update = ModuleUpdate(
      module: module.name.string, layout: .vector, outFeatures: shape[1], inFeatures: nil, outWitness: witness,
      inWitness: witness,
      steps: [.add(Addition([Term(rows: 0..<1, columns: 0..<shape[1], .matrix(values), scaling: 1)]))],
      tensorIndices: module.indices(of: [Self.vector]))
    update.target = .parameter("bias")
    update.scaling = 1
    return update
  }
}
