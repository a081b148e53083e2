import JSONText
import Safetensors

/// PEANuT: `W + s B X`, with X what a small network makes of the weight, a column after another.
///
/// Sources: Zhong et al., arXiv:2410.01870; PEFT 0.21.2 `peanut.Linear._compute_delta_weight`.
struct PEANuT: ModuleTuner {
  static let peftType = "PEANUT"
  static let name = "PEANuT"

  static let fields: [ConfigField] = [
    .used("r"), .used("depth"), .used("scaling"),
    .checked("act_fn", PEANuT.refusal(ofActivation:)),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// (r, out).
  private static let input = FactorRole("peanut_A.weight")
  /// (out, r).
  private static let output = FactorRole("peanut_B.weight")
  /// Each (r, r).
  private static let encoders = layers("peanut_encoders")
  private static let decoders = layers("peanut_decoders")
  private static let roles = [input, output] + encoders + decoders

  /// The name of an adapter stands before the number of a layer.
  static let endings = roles.map { KeyEnding($0) }

  /// The deepest networks that are read.
  private static let largestDepth = 32

  private static func layers(_ name: String) -> [FactorRole] {
    (0..<largestDepth).map { FactorRole("\(name).\($0).weight") }
  }

  /// PEFT's default is 32.
  private let rank: Int
  private let depth: Int
  private let scaling: Double
  private let activation: Activation

  init(_ reader: ConfigReader) throws(AdapterError) {
    rank = try reader.rank("r") ?? 32
    if let value = reader.json["depth"] {
      guard let depth = ConfigReader.natural(value), depth <= Self.largestDepth else {
        throw reader.failure("depth", expected: "an integer from 0 to \(Self.largestDepth)", value)
      }
      self.depth = depth
    } else {
      depth = 0
    }
    scaling = try reader.number("scaling") ?? 1
    let name = try reader.string("act_fn") ?? "relu"
    guard let activation = Activation(named: name) else {
      throw reader.failure("act_fn", expected: "an activation of transformers", .string(name))
    }
    self.activation = activation
  }

  private static func refusal(ofActivation value: JSONValue) -> ConfigField.Refusal? {
    guard case .string("xielu") = value else { return nil }
    return (
      "its result depends on an extension of CUDA that PEFT uses where it is installed",
      "merge it with PEFT's merge_and_unload"
    )
  }

  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate {
    let output = try module.required(Self.output).shape
    _ = try module.required(Self.input)
    try module.checkMatrices([Self.output, Self.input])
    let strength = ModuleStrength(rank: rank, alpha: 1, rankPattern: nil, alphaPattern: nil)
    try module.checkRank(Self.input, axis: 0, strength)
    try module.checkRank(Self.output, axis: 1, strength)
    try module.check(Self.input, is: [rank, output[0]])
    func layers(_ roles: [FactorRole]) throws(AdapterError) -> [Factor] {
      if let index = roles[depth...].compactMap({ module[$0] }).first { throw module.failure(.unknownKey, at: index) }
      var factors: [Factor] = []
      for role in roles[..<depth] {
        _ = try module.required(role)
        try module.check(role, is: [rank, rank])
        factors.append(.rowMajor(try module.place(of: role), rows: rank, columns: rank))
      }
      return factors
    }
    let network = Network(
      input: Factor.rowMajor(try module.place(of: Self.input), rows: rank, columns: output[0]),
      encoders: try layers(Self.encoders), decoders: try layers(Self.decoders),
      output: .rowMajor(try module.place(of: Self.output), rows: output[0], columns: rank), activation: activation,
      rank: rank)
    // No tensor has the inputs.
    let formula = Formula.derived(Derivation(.network(network), rows: output[0], columns: 1))
    let witness = try module.witness(Self.output)
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: output[0], inFeatures: nil, outWitness: witness,
      inWitness: witness, steps: [.add(Addition([Term(rows: 0..<output[0], columns: 0..<1, formula, scaling: 1)]))],
      tensorIndices: module.indices(of: Self.roles))
    update.isFitted = true
    (update.rank, update.scaling) = (rank, scaling)
    update.roundsDelta = true
    return update
  }
}
